/* What a sandbox without namespaces uses, looked at by its warden again and again: memory where no cgroup counts it,
 * and scratch space, which no file system bounds. Runs in the warden, beside hostile processes that may hide from it
 * only by what makes the look fail, and what cannot be looked at is not let run. Files that are on their way between
 * two of them are seen by nobody. */
#include "portable/look.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "common/common.h"
#include "limits/usage.h"
#include "sandbox/internal.h"

enum { MOST_PROCESSES = 1 << 16, MOST_FILES = 1 << 12, WALK_DESCRIPTORS = 32 };

/* ------------------------------------------------------------ who is below */

struct list {
    pid_t pids[MOST_PROCESSES];
    size_t count;
};

/* As the kernel lists them for each thread. */
static int add_children_of(int proc, pid_t pid, struct list *list)
{
    char path[64], text[4096];
    snprintf(path, sizeof(path), "%d/task", pid);
    int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *threads = fd < 0 ? NULL : fdopendir(fd);
    if (!threads) {
        close_descriptor(&fd);
        return errno == ENOENT || errno == ESRCH ? 0 : -1;
    }
    int failed = 0;
    for (const struct dirent *thread; !failed && (thread = readdir(threads));) {
        if (thread->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%.15s/children", thread->d_name);
        autoclose int children = openat(dirfd(threads), path, O_RDONLY | O_CLOEXEC);
        if (children < 0) {
            failed = errno != ENOENT && errno != ESRCH;
            continue;
        }
        char kept[16] = "";
        for (ssize_t got; !failed && (got = read(children, text, sizeof(text) - 1)) != 0;) {
            if (got < 0) {
                failed = errno != ENOENT && errno != ESRCH;
                break;
            }
            text[got] = 0;
            char *at = text;
            for (char *end; (end = strchr(at, ' ')); at = end + 1) {
                *end = 0;
                char number[32];
                snprintf(number, sizeof(number), "%.15s%.15s", kept, at);
                kept[0] = 0;
                errno = E2BIG;
                if (list->count == MOST_PROCESSES) {
                    failed = -1;
                    break;
                }
                list->pids[list->count++] = (pid_t)strtol(number, NULL, 10);
            }
            snprintf(kept, sizeof(kept), "%.15s", at); /* the number goes on in what is read next */
        }
    }
    int error = errno;
    closedir(threads);
    errno = error;
    return failed ? -1 : 0;
}

/* All below us, and not us. */
static int list_below(int proc, struct list *list)
{
    list->count = 0;
    if (add_children_of(proc, getpid(), list))
        return -1;
    for (size_t i = 0; i < list->count; i++) {
        if (add_children_of(proc, list->pids[i], list))
            return -1;
    }
    return 0;
}

/* What was answered to a look at a process: nothing more is to be expected of one that is ending. */
static int unless_ending(int proc, pid_t pid)
{
    int error = errno;
    bool ends = error == ENOENT || error == ESRCH || is_exiting(proc, pid);
    errno = error;
    return ends ? 0 : -1;
}

static int add_each(int proc, const struct list *list, add_fn *add, struct sums *sums)
{
    char pid[16];
    *sums = (struct sums){0};
    for (size_t i = 0; i < list->count; i++) {
        snprintf(pid, sizeof(pid), "%d", list->pids[i]);
        if (add(proc, pid, sums) && unless_ending(proc, list->pids[i]))
            return -1;
    }
    return 0;
}

/* ------------------------------------------------------------ files */

/* nftw() has no place for what is its caller's. */
static struct {
    uint64_t bytes, most;
} walked;

static int add_file(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)at;
    if (type == FTW_NS)
        return 0; /* it has just gone */
    /* Its owner may have taken the rights from itself, and is who we are. */
    if (type == FTW_DNR && chmod(path, 0700) && errno != ENOENT)
        return -1;
    /* The kernel keeps something for each that has no blocks of its own, too. */
    uint64_t links = status->st_nlink > 1 && !S_ISDIR(status->st_mode) ? status->st_nlink : 1;
    walked.bytes += ((uint64_t)status->st_blocks * 512 + 512) / links;
    return walked.bytes > walked.most ? 1 : 0;
}

/* Those without a name, which somebody has open; each once. */
struct unnamed {
    dev_t device;
    ino_t inodes[MOST_FILES];
    size_t count;
    uint64_t bytes, each; /* `each`: the most that one can have */
};

static bool is_known(const struct unnamed *files, ino_t inode)
{
    for (size_t i = 0; i < files->count; i++) {
        if (files->inodes[i] == inode)
            return true;
    }
    return false;
}

static int remember(struct unnamed *files, ino_t inode, uint64_t bytes)
{
    errno = E2BIG;
    if (files->count == MOST_FILES)
        return -1;
    files->inodes[files->count++] = inode;
    files->bytes += bytes;
    return 0;
}

static int add_open(int proc, pid_t pid, struct unnamed *files)
{
    char path[32];
    struct stat status;
    snprintf(path, sizeof(path), "%d/fd", pid);
    int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *open = fd < 0 ? NULL : fdopendir(fd);
    if (!open) {
        close_descriptor(&fd);
        return unless_ending(proc, pid);
    }
    int failed = 0;
    for (const struct dirent *entry; !failed && (entry = readdir(open));) {
        if (entry->d_name[0] == '.' || fstatat(dirfd(open), entry->d_name, &status, 0) || !S_ISREG(status.st_mode) ||
            status.st_dev != files->device || status.st_nlink > 0 || is_known(files, status.st_ino))
            continue;
        failed = remember(files, status.st_ino, (uint64_t)status.st_blocks * 512);
    }
    int error = errno;
    closedir(open);
    errno = error;
    return failed;
}

/* Mapped, and open to nobody: how large it is, nobody tells us. */
static int add_mapped(int proc, pid_t pid, struct unnamed *files)
{
    char path[32], line[PATH_LIMIT + 128];
    snprintf(path, sizeof(path), "%d/maps", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    FILE *maps = fd < 0 ? NULL : fdopen(fd, "r");
    if (!maps) {
        close_descriptor(&fd);
        return unless_ending(proc, pid);
    }
    int failed = 0;
    while (!failed && fgets(line, sizeof(line), maps)) {
        unsigned major, minor;
        unsigned long long inode;
        bool is_file = sscanf(line, "%*x-%*x %*4s %*x %x:%x %llu", &major, &minor, &inode) == 3 && inode != 0;
        if (is_file && strstr(line, " (deleted)") && makedev(major, minor) == files->device && !is_known(files, inode))
            failed = remember(files, inode, files->each);
    }
    fclose(maps);
    return failed;
}

static int look_at_unnamed(int proc, const struct list *list, struct unnamed *files)
{
    for (size_t i = 0; i < list->count; i++) {
        if (add_open(proc, list->pids[i], files))
            return -1;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (add_mapped(proc, list->pids[i], files))
            return -1;
    }
    return 0;
}

/* ------------------------------------------------------------ looks */

static struct list below; /* large */

enum over look_at_memory(int proc, uint64_t most)
{
    struct sums sums;
    if (list_below(proc, &below) || add_each(proc, &below, add_resident, &sums))
        return OVER_UNSEEN;
    if (total_memory(&sums, 0) <= most)
        return OVER_NOTHING;
    if (add_each(proc, &below, add_proportional, &sums))
        return OVER_UNSEEN;
    return total_memory(&sums, 0) > most ? OVER_MEMORY : OVER_NOTHING;
}

/* 0; 1: too much; -1. */
static int walk(const struct define *policy, const char *scratch)
{
    char path[PATH_LIMIT + 32];
    for (size_t i = 0; i < policy->mount_count; i++) {
        if (policy->mounts[i].kind != MOUNT_SCRATCH)
            continue;
        snprintf(path, sizeof(path), "%s/%zu", scratch, i);
        int stopped = nftw(path, add_file, WALK_DESCRIPTORS, FTW_PHYS);
        if (stopped > 0 || (stopped < 0 && errno != ENOENT)) /* among them: deeper than a path is long */
            return stopped;
    }
    return 0;
}

enum over look_at_scratch(int proc, const struct define *policy, const char *scratch, uint64_t most)
{
    enum { SLACK = 256 << 10 }; /* for directories, and for a single file that is as large as all may be */
    static struct unnamed unnamed;
    struct stat status;
    walked.bytes = 0;
    walked.most = most + SLACK;
    int stopped = walk(policy, scratch);
    if (stopped != 0)
        return stopped > 0 ? OVER_SCRATCH : OVER_UNSEEN;
    if (stat(scratch, &status) || list_below(proc, &below))
        return OVER_UNSEEN;
    unnamed = (struct unnamed){.device = status.st_dev, .each = most};
    if (look_at_unnamed(proc, &below, &unnamed))
        return OVER_UNSEEN;
    return walked.bytes + unnamed.bytes > walked.most ? OVER_SCRATCH : OVER_NOTHING;
}
