/* Where no cgroup limits a sandbox, the spawner adds up what it uses, again and again, and ends it when that is too
 * much. Runs in the spawner. It reads the sandbox's own /proc and scratch space; the numbers are the kernel's. Between
 * two looks a step can overshoot.
 *
 * Memory is the anonymous pages of all processes and the larger of the scratch space in use and the shared pages that
 * are mapped. Pages shared after a fork are first counted for each process, which is cheap; only when that sum is over
 * the limit are they counted exactly. What could hold memory without showing up here is out of reach: memfd_create is
 * refused by the policy, SysV segments are limited to nothing (sandbox/init.c). Processor time is that of every living
 * process and of the children that it has waited for; init waits for those whose parents have gone. What a process
 * had reaped by ignoring SIGCHLD is lost, which is why this form is called weaker.
 *
 * A process that has ended between two reads is left out; whatever else cannot be read makes the look fail, and what
 * cannot be looked at is not let run. */
#include "spawner/spawner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/vfs.h>

/* Two descriptors for a look, kept back: who cannot look must end the step, and it is not the step that has used them
 * up. */
static int reserve[2] = {-1, -1};

static int keep_reserve(void)
{
    for (size_t i = 0; i < LENGTH(reserve); i++) {
        if (reserve[i] < 0)
            reserve[i] = eventfd(0, EFD_CLOEXEC);
        if (reserve[i] < 0)
            return -1;
    }
    return 0;
}

static void use_reserve(void)
{
    for (size_t i = 0; i < LENGTH(reserve); i++)
        close_descriptor(&reserve[i]);
}

int open_watched(struct spawner *spawner, struct sandbox *sandbox, pid_t pid)
{
    char path[64];
    if (keep_reserve())
        return -1;
    snprintf(path, sizeof(path), "%d/root/proc", pid);
    sandbox->watched_proc = openat(spawner->proc, path, O_DIRECTORY | O_CLOEXEC);
    sandbox->watched_scratch = open_scratch(spawner, sandbox->policy, pid);
    return sandbox->watched_proc < 0 || sandbox->watched_scratch < 0 ? -1 : 0;
}

struct sums {
    uint64_t anonymous, shared; /* bytes */
    uint64_t unshared;          /* page tables, which grow without a page of one's own, and what was swapped out */
    uint64_t cpu_ticks;
};

typedef int add_fn(int proc, const char *pid, struct sums *sums);

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

/* The text is empty when the process has just ended. */
static int read_of(int proc, const char *pid, const char *file, char *text, size_t size)
{
    char path[48];
    snprintf(path, sizeof(path), "%.15s/%s", pid, file);
    if (read_file_at(proc, path, text, size) >= 0)
        return 0;
    text[0] = 0;
    return errno == ENOENT || errno == ESRCH ? 0 : -1;
}

static int add_resident(int proc, const char *pid, struct sums *sums)
{
    char text[4096];
    if (read_of(proc, pid, "status", text, sizeof(text)))
        return -1;
    sums->anonymous += kilobytes(text, "RssAnon:");
    sums->shared += kilobytes(text, "RssShmem:");
    sums->unshared += kilobytes(text, "VmPTE:") + kilobytes(text, "VmSwap:");
    return 0;
}

static int add_proportional(int proc, const char *pid, struct sums *sums)
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

static int add_cpu(int proc, const char *pid, struct sums *sums)
{
    char text[1024];
    unsigned long long user, system;
    long long waited_user, waited_system;
    if (read_of(proc, pid, "stat", text, sizeof(text)))
        return -1;
    const char *after_name = strrchr(text, ')'); /* a name may hold anything, the last parenthesis is the kernel's */
    if (after_name && sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld", &user,
                             &system, &waited_user, &waited_system) == 4)
        sums->cpu_ticks += user + system + (unsigned long long)waited_user + (unsigned long long)waited_system;
    return 0;
}

static int add_entries(DIR *directory, int proc, add_fn *add, struct sums *sums)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry)
            return errno ? -1 : 0;
        bool is_process = entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
        if (is_process && add(proc, entry->d_name, sums))
            return -1;
    }
}

static int add_each(const struct sandbox *sandbox, add_fn *add, struct sums *sums)
{
    int copy = openat(sandbox->watched_proc, ".", O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    *sums = (struct sums){0};
    if (!directory) {
        close_descriptor(&copy);
        return -1;
    }
    int result = add_entries(directory, sandbox->watched_proc, add, sums);
    int error = errno;
    closedir(directory);
    errno = error;
    return result;
}

static int add_all(const struct sandbox *sandbox, add_fn *add, struct sums *sums)
{
    use_reserve();
    int result = add_each(sandbox, add, sums);
    int error = errno;
    keep_reserve();
    errno = error;
    return result;
}

static uint64_t scratch_in_use(const struct sandbox *sandbox)
{
    struct statfs scratch;
    return fstatfs(sandbox->watched_scratch, &scratch)
               ? 0
               : (uint64_t)(scratch.f_blocks - scratch.f_bfree) * (uint64_t)scratch.f_bsize;
}

static uint64_t total(const struct sums *sums, uint64_t scratch)
{
    return sums->anonymous + sums->unshared + (sums->shared > scratch ? sums->shared : scratch);
}

int watched_memory(const struct sandbox *sandbox, uint64_t limit, bool *over)
{
    uint64_t scratch = scratch_in_use(sandbox);
    struct sums sums;
    if (add_all(sandbox, add_resident, &sums))
        return -1;
    *over = total(&sums, scratch) > limit;
    if (!*over)
        return 0;
    if (add_all(sandbox, add_proportional, &sums))
        return -1;
    *over = total(&sums, scratch) > limit;
    return 0;
}

int watched_cpu_ns(const struct sandbox *sandbox, uint64_t *out)
{
    struct sums sums;
    if (add_all(sandbox, add_cpu, &sums))
        return -1;
    *out = sums.cpu_ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
    return 0;
}
