/* What programs need of files, devices and /proc, and a sandbox must not break. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "selftest/works.h"

static bool holds(const char *path, size_t least)
{
    char bytes[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
    close(fd);
    return got >= 0 && (size_t)got >= least;
}

static bool writes(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, "x", 1) == 1 && !close(fd);
}

static bool in_tmp(int (*use)(const char *path, const char *other))
{
    char path[512], other[512];
    snprintf(path, sizeof(path), "%s/selftest-a-%d", temporary(), getpid());
    snprintf(other, sizeof(other), "%s/selftest-b-%d", temporary(), getpid());
    int failed = use(path, other), error = errno;
    unlink(path);
    unlink(other);
    rmdir(path);
    errno = error;
    return !failed;
}

static int write_new(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    return fd < 0 || write(fd, "#!/bin/sh\nexit 0\n", 17) != 17 || close(fd) ? -1 : 0;
}

static int use_rename(const char *path, const char *other)
{
    return write_new(path) || rename(path, other);
}

static int use_link(const char *path, const char *other)
{
    return write_new(path) || link(path, other);
}

static int use_symlink(const char *path, const char *other)
{
    return write_new(path) || symlink(path, other) || !holds(other, 17);
}

static int use_directory(const char *path, const char *other)
{
    (void)other;
    return mkdir(path, 0700) || rmdir(path);
}

static int use_fifo(const char *path, const char *other)
{
    (void)other;
    return mkfifo(path, 0600) || open(path, O_RDWR | O_CLOEXEC) < 0;
}

static int use_times(const char *path, const char *other)
{
    (void)other;
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    return write_new(path) || utimensat(AT_FDCWD, path, times, 0);
}

static int use_modes(const char *path, const char *other)
{
    (void)other;
    return write_new(path) || chmod(path, 0640);
}

static int use_program(const char *path, const char *other)
{
    (void)other;
    return write_new(path) || !runs(path);
}

static int use_lock(const char *path, const char *other)
{
    (void)other;
    return write_new(path) || flock(open(path, O_RDONLY | O_CLOEXEC), LOCK_EX);
}

static int use_record_lock(const char *path, const char *other)
{
    (void)other;
    struct flock lock = {.l_type = F_WRLCK};
    return write_new(path) || fcntl(open(path, O_RDWR | O_CLOEXEC), F_SETLK, &lock);
}

static int use_mapping(const char *path, const char *other)
{
    (void)other;
    if (write_new(path))
        return -1;
    return mmap(NULL, 17, PROT_READ | PROT_WRITE, MAP_SHARED, open(path, O_RDWR | O_CLOEXEC), 0) == MAP_FAILED ? -1 : 0;
}

static int use_sync(const char *path, const char *other)
{
    (void)other;
    return write_new(path) || fsync(open(path, O_RDWR | O_CLOEXEC));
}

static int use_sendfile(const char *path, const char *other)
{
    if (write_new(path) || write_new(other))
        return -1;
    int from = open(path, O_RDONLY | O_CLOEXEC), to = open(other, O_WRONLY | O_CLOEXEC);
    return sendfile(to, from, NULL, 17) != 17;
}

static int use_copy_range(const char *path, const char *other)
{
    if (write_new(path) || write_new(other))
        return -1;
    int from = open(path, O_RDONLY | O_CLOEXEC), to = open(other, O_WRONLY | O_CLOEXEC);
    return copy_file_range(from, NULL, to, NULL, 17, 0) != 17;
}

static int use_splice(const char *path, const char *other)
{
    (void)other;
    int ends[2];
    if (write_new(path) || pipe2(ends, O_CLOEXEC))
        return -1;
    return splice(open(path, O_RDONLY | O_CLOEXEC), NULL, ends[1], NULL, 17, 0) != 17;
}

static int use_space(const char *path, const char *other)
{
    (void)other;
    return write_new(path) || posix_fallocate(open(path, O_RDWR | O_CLOEXEC), 0, 65536);
}

static int lists(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    while (directory && readdir(directory))
        count++;
    return count > 2;
}

static bool tells_space(void)
{
    struct statvfs space;
    return !statvfs(temporary(), &space) && space.f_blocks;
}

static bool tells_file(void)
{
    struct statx status;
    return !statx(AT_FDCWD, "/usr", 0, STATX_BASIC_STATS, &status);
}

static bool has_id_entry(void)
{
    return holds("/etc/passwd", 1) && runs("test -n \"$(id -u)\"");
}

static bool has_unnamed_file(void)
{
    int fd = open(temporary(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd >= 0 && write(fd, "x", 1) == 1;
}

WORKS_WHEN(writes_null, writes("/dev/null"))
WORKS_WHEN(reads_zero, holds("/dev/zero", 4096))
WORKS_WHEN(reads_urandom, holds("/dev/urandom", 16))
WORKS_WHEN(has_full, open("/dev/full", O_WRONLY | O_CLOEXEC) >= 0)
WORKS_WHEN(has_fd_links, runs("printf x | cat /dev/stdin | grep -q x"))
WORKS_WHEN(writes_dev_stdout, runs("echo x > /dev/stderr"))
WORKS_WHEN(own_program, readlink("/proc/self/exe", (char[256]){0}, 255) > 0)
WORKS_WHEN(own_maps, holds("/proc/self/maps", 10))
WORKS_WHEN(own_status, holds("/proc/self/status", 10))
WORKS_WHEN(own_descriptors, lists("/proc/self/fd"))
WORKS_WHEN(own_threads, lists("/proc/self/task"))
WORKS_WHEN(cpu_facts, holds("/proc/cpuinfo", 10))
WORKS_WHEN(memory_facts, holds("/proc/meminfo", 10))
WORKS_WHEN(lists_usr, lists("/usr"))
WORKS_WHEN(renames, in_tmp(use_rename))
WORKS_WHEN(links, in_tmp(use_link))
WORKS_WHEN(links_by_name, in_tmp(use_symlink))
WORKS_WHEN(makes_directories, in_tmp(use_directory))
WORKS_WHEN(makes_fifos, in_tmp(use_fifo))
WORKS_WHEN(sets_times, in_tmp(use_times))
WORKS_WHEN(sets_modes, in_tmp(use_modes))
WORKS_WHEN(executes_own, in_tmp(use_program))
WORKS_WHEN(locks, in_tmp(use_lock))
WORKS_WHEN(locks_records, in_tmp(use_record_lock))
WORKS_WHEN(maps_files, in_tmp(use_mapping))
WORKS_WHEN(syncs, in_tmp(use_sync))
WORKS_WHEN(sends_files, in_tmp(use_sendfile))
WORKS_WHEN(copies_ranges, in_tmp(use_copy_range))
WORKS_WHEN(splices, in_tmp(use_splice))
WORKS_WHEN(reserves_space, in_tmp(use_space))
WORKS_WHEN(unnamed_file, has_unnamed_file())
WORKS_WHEN(space, tells_space())
WORKS_WHEN(file_facts, tells_file())
WORKS_WHEN(id_entry, has_id_entry())
WORKS_WHEN(home, chdir(getenv("HOME") ? getenv("HOME") : "/") == 0)

const struct named WORKS_OF_FILES[] = {
    {"works-null", writes_null},
    {"works-zero", reads_zero},
    {"works-urandom", reads_urandom},
    {"works-full", has_full},
    {"works-dev-fd", has_fd_links},
    {"works-dev-stderr", writes_dev_stdout},
    {"works-own-program", own_program},
    {"works-own-maps", own_maps},
    {"works-own-status", own_status},
    {"works-own-descriptors", own_descriptors},
    {"works-own-threads", own_threads},
    {"works-cpuinfo", cpu_facts},
    {"works-meminfo", memory_facts},
    {"works-usr", lists_usr},
    {"works-rename", renames},
    {"works-link", links},
    {"works-symlink", links_by_name},
    {"works-directory", makes_directories},
    {"works-fifo", makes_fifos},
    {"works-times", sets_times},
    {"works-modes", sets_modes},
    {"works-execute", executes_own},
    {"works-flock", locks},
    {"works-record-lock", locks_records},
    {"works-mapping", maps_files},
    {"works-fsync", syncs},
    {"works-sendfile", sends_files},
    {"works-copy-range", copies_ranges},
    {"works-splice", splices},
    {"works-space", reserves_space},
    {"works-unnamed-file", unnamed_file},
    {"works-statvfs", space},
    {"works-statx", file_facts},
    {"works-id", id_entry},
    {"works-home", home},
    {NULL, NULL},
};
