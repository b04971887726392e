/* The mount calls of the kernel's newer interface, which libc does not all wrap. */
#ifndef MOUNTS_H
#define MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

/* In the root of every sandbox: what covers entries of /proc. */
#define COVERS "/.covers"

/* A detached copy of what is mounted at path (an empty path: at the directory descriptor itself); a descriptor or -1.
 */
int clone_mount(int directory, const char *path, bool recursive);
int attach_mount(int mount, int directory, const char *path);
int mount_setattr_at(int directory, const char *path, uint64_t set, uint64_t clear, bool recursive);
int set_mount(int mount, const char *path, uint64_t set, uint64_t clear, bool recursive);
/* Ids of files on the detached `mount` are shown through the maps of the user namespace `idmap`. */
int idmap_mount(int mount, int idmap);
/* Detached new file systems; options are comma-separated name=value pairs. */
int new_tmpfs(const char *options, uint64_t attributes);
int new_proc(uint64_t attributes);
/* Options are pairs of name and value, the last with no name; NULL as a value: it has none. */
int new_filesystem(const char *type, const char *const (*options)[2], uint64_t attributes);
int new_devpts(const char *options, uint64_t attributes);

#endif
