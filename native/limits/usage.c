/* What processes use, as the kernel tells in /proc. Used by whoever watches where no cgroup counts: the spawner, and
 * the warden of a sandbox without namespaces. The numbers are the kernel's; the names of processes are not. */
#include "limits/usage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/common.h"

/* `name` begins a line: a process chooses the name that stands in the first one. */
static uint64_t kilobytes(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; *line;) {
        if (!strncmp(line, name, length))
            return strtoull(line + length, NULL, 10) * 1024;
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return 0;
}

int read_of(int proc, const char *pid, const char *file, char *text, size_t size)
{
    char path[48];
    snprintf(path, sizeof(path), "%.15s/%s", pid, file);
    if (read_file_at(proc, path, text, size) >= 0)
        return 0;
    text[0] = 0;
    return errno == ENOENT || errno == ESRCH ? 0 : -1;
}

int add_resident(int proc, const char *pid, struct sums *sums)
{
    char text[4096];
    if (read_of(proc, pid, "status", text, sizeof(text)))
        return -1;
    sums->anonymous += kilobytes(text, "RssAnon:");
    sums->shared += kilobytes(text, "RssShmem:");
    sums->unshared += kilobytes(text, "VmPTE:") + kilobytes(text, "VmSwap:");
    return 0;
}

int add_proportional(int proc, const char *pid, struct sums *sums)
{
    char text[4096];
    if (read_of(proc, pid, "smaps_rollup", text, sizeof(text)))
        return -1;
    sums->anonymous += kilobytes(text, "Pss_Anon:");
    sums->shared += kilobytes(text, "Pss_Shmem:");
    sums->unshared += kilobytes(text, "SwapPss:");
    if (read_of(proc, pid, "status", text, sizeof(text)))
        return -1;
    sums->unshared += kilobytes(text, "VmPTE:");
    return 0;
}

int add_cpu(int proc, const char *pid, struct sums *sums)
{
    char text[1024];
    unsigned long long user, system;
    long long waited_user, waited_system;
    if (read_of(proc, pid, "stat", text, sizeof(text)))
        return -1;
    const char *after_name = strrchr(text, ')'); /* a name may hold anything, the last parenthesis is the kernel's */
    if (after_name && sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld", &user,
                             &system, &waited_user, &waited_system) == 4) {
        sums->user_ticks += user + (unsigned long long)waited_user;
        sums->system_ticks += system + (unsigned long long)waited_system;
    }
    return 0;
}

uint64_t total_memory(const struct sums *sums, uint64_t files)
{
    return sums->anonymous + sums->unshared + (sums->shared > files ? sums->shared : files);
}
