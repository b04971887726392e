/* Thin wrappers of the mount calls. Used by maker and init. */
#include "sandbox/mounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/common.h"

int clone_mount(int directory, const char *path, bool recursive)
{
    unsigned flags =
        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0u) | (*path ? 0u : AT_EMPTY_PATH);
    return (int)syscall(SYS_open_tree, directory, path, flags);
}

int attach_mount(int mount, int directory, const char *path)
{
    unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0u : MOVE_MOUNT_T_EMPTY_PATH);
    return (int)syscall(SYS_move_mount, mount, "", directory, path, flags);
}

static int change_mount(int directory, const char *path, struct mount_attr *attributes, bool recursive)
{
    unsigned flags = (recursive ? AT_RECURSIVE : 0u) | (*path ? 0u : AT_EMPTY_PATH);
    return (int)syscall(SYS_mount_setattr, directory, path, flags, attributes, sizeof(*attributes));
}

int mount_setattr_at(int directory, const char *path, uint64_t set, uint64_t clear, bool recursive)
{
    struct mount_attr attributes = {.attr_set = set, .attr_clr = clear};
    return change_mount(directory, path, &attributes, recursive);
}

int set_mount(int mount, const char *path, uint64_t set, uint64_t clear, bool recursive)
{
    return mount_setattr_at(mount, path, set, clear, recursive);
}

int idmap_mount(int mount, int idmap)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)idmap};
    return change_mount(mount, "", &attributes, true);
}

static int create_mount(int context, uint64_t attributes)
{
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
        return -1;
    return (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, (unsigned)attributes);
}

static int configure(int context, char *options)
{
    for (char *saved, *option = strtok_r(options, ",", &saved); option; option = strtok_r(NULL, ",", &saved)) {
        char *value = strchr(option, '=');
        if (value)
            *value++ = 0;
        if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, option, value, 0))
            return -1;
    }
    return 0;
}

static int new_plain(const char *type, const char *options, uint64_t attributes)
{
    char copy[128];
    snprintf(copy, sizeof(copy), "%s", options);
    autoclose int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
    return context < 0 || configure(context, copy) ? -1 : create_mount(context, attributes);
}

int new_filesystem(const char *type, const char *const (*options)[2], uint64_t attributes)
{
    autoclose int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
    if (context < 0)
        return -1;
    for (; (*options)[0]; options++) {
        const char *value = (*options)[1];
        if (syscall(SYS_fsconfig, context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, (*options)[0], value, 0))
            return -1;
    }
    return create_mount(context, attributes);
}

int new_tmpfs(const char *options, uint64_t attributes)
{
    return new_plain("tmpfs", options, attributes);
}

int new_proc(uint64_t attributes)
{
    return new_plain("proc", "", attributes);
}

int new_devpts(const char *options, uint64_t attributes)
{
    return new_plain("devpts", options, attributes);
}
