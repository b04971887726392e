/* What can be seen and changed of files. What was read is told as its length and a hash, never as itself, unless it can
 * only be the bait. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "selftest/prober.h"

static uint64_t hash_of(const char *bytes, ssize_t length)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (ssize_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash;
}

static int read_some(char **words)
{
    char bytes[4096];
    int fd = open(words[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
    if (got > 0)
        return tell("%zd %016llx", got, (unsigned long long)hash_of(bytes, got));
    if (got == 0)
        errno = ENODATA;
    return -1;
}

static int read_bait_at(const char *path)
{
    char bytes[64] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 || read(fd, bytes, sizeof(bytes) - 1) <= 0 ? -1 : tell("%s", bytes);
}

static int read_bait(char **words)
{
    return read_bait_at(words[0]);
}

/* Nothing is written. */
static int open_to_write(char **words)
{
    return done(open(words[0], O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

static int open_device(char **words)
{
    return done(open(words[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

static int look_at(char **words)
{
    struct stat status;
    return lstat(words[0], &status)
               ? -1
               : tell("%llx:%llu", (unsigned long long)status.st_dev, (unsigned long long)status.st_ino);
}

static int list(char **words)
{
    size_t count = 0;
    DIR *directory = opendir(words[0]);
    for (const struct dirent *entry; directory && (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    if (directory && !count)
        errno = ENODATA;
    return directory && count ? tell("%zu", count) : -1;
}

static int read_link(char **words)
{
    char target[256];
    ssize_t length = readlink(words[0], target, sizeof(target) - 1);
    if (length < 0)
        return -1;
    target[length] = 0;
    return tell("%s", target);
}

/* What would stay is removed at once. */
static int create(char **words)
{
    int fd = open(words[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    unlink(words[0]);
    return 0;
}

static int make_device(char **words)
{
    mode_t type = words[0][0] == 'b' ? S_IFBLK : S_IFCHR;
    dev_t number = makedev((unsigned)strtoul(words[1], NULL, 0), (unsigned)strtoul(words[2], NULL, 0));
    if (mknod(own_path(), type | 0600, number))
        return -1;
    return done(open(own_path(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

/* In the directory that was given for writing. */
static const char *in(const char *directory, const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static int new_program(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
}

/* What would be honoured by somebody. */
static int plant_set_id(char **words)
{
    int fd = new_program(in(words[0], "set-id"));
    return fd < 0 ? -1 : fchmod(fd, 04755);
}

static int plant_device(char **words)
{
    return mknod(in(words[0], "device"), S_IFCHR | 0666, makedev(1, 1));
}

static int plant_capability(char **words)
{
    const uint32_t value[5] = {0x02000001, 0xffffffff, 0, 0xffffffff, 0};
    int fd = new_program(in(words[0], "capability"));
    return fd < 0 ? -1 : fsetxattr(fd, "security.capability", value, sizeof(value), 0);
}

/* What lies beside it. */
static int climb(char **words)
{
    char above[300];
    snprintf(above, sizeof(above), "../%s", words[1]);
    return read_bait_at(in(words[0], above));
}

static int climb_by_link(char **words)
{
    char above[300];
    snprintf(above, sizeof(above), "../%s", words[1]);
    unlink(in(words[0], "link"));
    return symlink(above, in(words[0], "link")) ? -1 : read_bait_at(in(words[0], "link"));
}

const struct named FILES[] = {
    {"read", read_some},
    {"content", read_bait},
    {"write", open_to_write},
    {"open", open_device},
    {"look", look_at},
    {"list", list},
    {"link", read_link},
    {"create", create},
    {"device", make_device},
    {"plant-set-id", plant_set_id},
    {"plant-device", plant_device},
    {"plant-capability", plant_capability},
    {"climb", climb},
    {"climb-link", climb_by_link},
    {NULL, NULL},
};
