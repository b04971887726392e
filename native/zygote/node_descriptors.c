/* See node_descriptors.h. */
#include "zygote/node_descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_DESCRIPTORS = 1024 };

static struct {
    int number;
    dev_t device;
    ino_t inode;
    bool kernel; /* an epoll or an event: nothing but the runtime's own, which it makes anew */
    bool left;
} noted[MOST_DESCRIPTORS];
static size_t count;
static struct stat placeholder;

static bool is_kernels(int number)
{
    static const char KIND[] = "anon_inode:";
    char path[32], target[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", number);
    ssize_t got = readlink(path, target, sizeof(target));
    return got >= (ssize_t)strlen(KIND) && !strncmp(target, KIND, strlen(KIND));
}

bool note_descriptors(int control)
{
    DIR *directory = opendir("/proc/self/fd");
    count = 0;
    bool all = directory != NULL;
    for (struct dirent *entry; all && (entry = readdir(directory));) {
        struct stat status;
        int number = atoi(entry->d_name);
        if (number <= STDERR_FILENO || number == control || number == dirfd(directory) || fstat(number, &status))
            continue;
        if (count == MOST_DESCRIPTORS) {
            all = false;
            break;
        }
        noted[count].number = number;
        noted[count].device = status.st_dev;
        noted[count].inode = status.st_ino;
        noted[count].kernel = is_kernels(number);
        noted[count++].left = false;
    }
    if (directory)
        closedir(directory);
    return all;
}

static bool is_same(int number, dev_t device, ino_t inode)
{
    struct stat status;
    return fstat(number, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

/* The end of a pipe that nobody writes to: it can be waited for, and is at its end. libuv's own pipes are new by now,
 * by its handler of pthread_atfork, under the numbers of the old. */
void leave_descriptors(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return;
    fstat(ends[0], &placeholder);
    for (size_t i = 0; i < count; i++) {
        noted[i].left =
            is_same(noted[i].number, noted[i].device, noted[i].inode) && dup3(ends[0], noted[i].number, O_CLOEXEC) >= 0;
    }
    close(ends[0]);
    close(ends[1]);
}

/* What preloaded code may still know by its number stays, as an empty pipe. */
void reap_descriptors(void)
{
    for (size_t i = 0; i < count; i++) {
        if (noted[i].left && noted[i].kernel && is_same(noted[i].number, placeholder.st_dev, placeholder.st_ino))
            close(noted[i].number);
    }
}
