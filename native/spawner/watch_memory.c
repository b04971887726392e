/* Where no cgroup limits memory, the spawner adds up what a sandbox holds and ends it when that is too much.
 * Runs in the spawner. It sees the sandbox's own /proc and scratch space; what a process says there is told by the kernel.
 * Counted: anonymous and shared resident pages of every process, and the tmpfs. Between two looks a step can overshoot. */
#include "spawner/spawner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>

int open_watched(struct spawner *spawner, struct sandbox *sandbox, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "%d/root/proc", pid);
    sandbox->watched_proc = openat(spawner->proc, path, O_DIRECTORY | O_CLOEXEC);
    snprintf(path, sizeof(path), "%d/root/tmp", pid);
    sandbox->watched_scratch = openat(spawner->proc, path, O_DIRECTORY | O_CLOEXEC);
    return sandbox->watched_proc < 0 || sandbox->watched_scratch < 0 ? -1 : 0;
}

static uint64_t resident(int proc, const char *pid)
{
    char path[32], text[2048];
    snprintf(path, sizeof(path), "%.15s/status", pid);
    if (read_file_at(proc, path, text, sizeof(text)) < 0)
        return 0;
    const char *line = strstr(text, "RssAnon:");
    return line ? strtoull(line + 8, NULL, 10) * 1024 : 0;
}

uint64_t watched_memory(const struct sandbox *sandbox)
{
    uint64_t bytes = 0;
    struct statfs scratch;
    if (!fstatfs(sandbox->watched_scratch, &scratch))
        bytes += (uint64_t)(scratch.f_blocks - scratch.f_bfree) * (uint64_t)scratch.f_bsize;
    int copy = openat(sandbox->watched_proc, ".", O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    if (!directory) {
        close_descriptor(&copy);
        return UINT64_MAX; /* what cannot be watched is not let run */
    }
    for (const struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            bytes += resident(sandbox->watched_proc, entry->d_name);
    }
    closedir(directory);
    return bytes;
}
