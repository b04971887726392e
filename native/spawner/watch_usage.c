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

#include "limits/usage.h"

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

/* That of a session has all of its commands, and in its init's numbers all that have ended. */
static int lend_to_session(const struct sandbox *command)
{
    struct sandbox *session = command->within->sandbox;
    if (session->watched_proc < 0)
        session->watched_proc = fcntl(command->watched_proc, F_DUPFD_CLOEXEC, 0);
    return session->watched_proc < 0 ? -1 : 0;
}

int open_watched(struct spawner *spawner, struct sandbox *sandbox, pid_t pid)
{
    char path[64];
    if (keep_reserve())
        return -1;
    if (sandbox->policy->portable) { /* there is one /proc for all; the warden is to it what a keeper is to a command */
        sandbox->keeper = sandbox->init;
        sandbox->watched_proc = openat(spawner->proc, ".", O_DIRECTORY | O_CLOEXEC);
        return sandbox->watched_proc < 0 ? -1 : 0;
    }
    snprintf(path, sizeof(path), "%d/root/proc", pid);
    sandbox->watched_proc = openat(spawner->proc, path, O_DIRECTORY | O_CLOEXEC);
    /* What lies on a disk is no memory, and we are not to be the last to hold it. */
    bool in_memory = !sandbox->policy->scratch_on_disk;
    if (in_memory)
        sandbox->watched_scratch = open_scratch(spawner, sandbox->policy, pid);
    if (sandbox->watched_proc < 0 || (in_memory && sandbox->watched_scratch < 0))
        return -1;
    return sandbox->within ? lend_to_session(sandbox) : 0;
}

struct process {
    pid_t pid, parent;
    bool counts;
};

struct processes {
    struct process *list;
    size_t count, room;
};

static int remember(struct processes *all, pid_t pid, pid_t parent)
{
    if (all->count == all->room) {
        size_t room = all->room ? all->room * 2 : 64;
        struct process *list = realloc(all->list, room * sizeof(*list));
        if (!list)
            return -1;
        all->list = list;
        all->room = room;
    }
    all->list[all->count++] = (struct process){.pid = pid, .parent = parent};
    return 0;
}

static int read_processes(DIR *directory, int proc, bool with_parents, struct processes *all)
{
    char text[1024];
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry)
            return errno ? -1 : 0;
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        int parent = 0;
        if (with_parents) {
            if (read_of(proc, entry->d_name, "stat", text, sizeof(text)))
                return -1;
            const char *after_name = strrchr(text, ')');
            if (!after_name || sscanf(after_name + 1, " %*c %d", &parent) != 1)
                continue; /* it has just ended */
        }
        if (remember(all, (pid_t)strtol(entry->d_name, NULL, 10), parent))
            return -1;
    }
}

/* A command is its keeper, and what has that among its parents' parents. */
static void mark_descendants(struct processes *all, pid_t keeper)
{
    bool changed = true;
    for (size_t i = 0; i < all->count; i++)
        all->list[i].counts = all->list[i].pid == keeper;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < all->count; i++) {
            for (size_t j = 0; j < all->count && !all->list[i].counts; j++) {
                if (all->list[j].counts && all->list[j].pid == all->list[i].parent)
                    changed = all->list[i].counts = true;
            }
        }
    }
}

static int list_processes(const struct sandbox *sandbox, bool of_session, struct processes *all)
{
    bool members = (sandbox->within && !of_session) || sandbox->policy->portable;
    int copy = openat(sandbox->watched_proc, ".", O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    if (!directory) {
        close_descriptor(&copy);
        return -1;
    }
    int result = read_processes(directory, sandbox->watched_proc, members, all);
    int error = errno;
    closedir(directory);
    errno = error;
    if (members)
        mark_descendants(all, sandbox->keeper);
    for (size_t i = 0; i < all->count && !members; i++)
        all->list[i].counts = true;
    return result;
}

static int add_each(const struct sandbox *sandbox, bool of_session, add_fn *add, struct sums *sums)
{
    struct processes all = {0};
    char pid[16];
    *sums = (struct sums){0};
    int result = list_processes(sandbox, of_session, &all);
    for (size_t i = 0; i < all.count && !result; i++) {
        snprintf(pid, sizeof(pid), "%d", all.list[i].pid);
        sums->processes += all.list[i].counts;
        if (all.list[i].counts)
            result = add(sandbox->watched_proc, pid, sums);
    }
    int error = errno;
    free(all.list);
    errno = error;
    return result;
}

static int add_all(const struct sandbox *sandbox, bool of_session, add_fn *add, struct sums *sums)
{
    use_reserve();
    int result = add_each(sandbox, of_session, add, sums);
    int error = errno;
    keep_reserve();
    errno = error;
    return result;
}

/* As memory. */
static uint64_t scratch_in_use(const struct sandbox *sandbox)
{
    struct statfs scratch;
    return sandbox->watched_scratch < 0 || fstatfs(sandbox->watched_scratch, &scratch)
               ? 0
               : (uint64_t)(scratch.f_blocks - scratch.f_bfree) * (uint64_t)scratch.f_bsize;
}

static int look_at_memory(const struct sandbox *sandbox, bool of_session, uint64_t limit, bool *over, uint64_t *out)
{
    /* That of a session is all its commands' together. */
    uint64_t scratch = sandbox->within && !of_session ? 0 : scratch_in_use(sandbox);
    struct sums sums;
    if (add_all(sandbox, of_session, add_resident, &sums))
        return -1;
    *out = total_memory(&sums, scratch);
    *over = *out > limit;
    if (!*over)
        return 0;
    if (add_all(sandbox, of_session, add_proportional, &sums))
        return -1;
    *out = total_memory(&sums, scratch);
    *over = *out > limit;
    return 0;
}

int watched_memory(const struct sandbox *sandbox, uint64_t limit, bool *over)
{
    uint64_t used;
    return look_at_memory(sandbox, false, limit, over, &used);
}

int watched_session(const struct sandbox *sandbox, bool *over)
{
    const struct sandbox *session = sandbox->within->sandbox;
    uint64_t limit = session && session->step ? session->step->limits.memory_bytes : 0, all, own;
    bool unused;
    *over = false;
    if (limit == 0)
        return 0;
    if (look_at_memory(sandbox, true, limit, over, &all))
        return -1;
    if (!*over)
        return 0;
    if (look_at_memory(sandbox, false, UINT64_MAX, &unused, &own))
        return -1;
    /* Files are nobody's: were they in what is shared out, no command's part of it might be fair. */
    uint64_t files = scratch_in_use(sandbox), shared_out = all > files ? all - files : 0;
    *over = own * sandbox->within->commands >= shared_out / 2;
    return 0;
}

static uint64_t ticks_to_ns(uint64_t ticks)
{
    return ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

void watched_now(const struct sandbox *sandbox, bool of_session, struct seen *out)
{
    struct sums sums;
    bool unused;
    if (look_at_memory(sandbox, of_session, 0, &unused, &out->memory_bytes) ||
        add_all(sandbox, of_session, add_cpu, &sums))
        return;
    out->user_cpu_ns = ticks_to_ns(sums.user_ticks);
    out->system_cpu_ns = ticks_to_ns(sums.system_ticks);
    out->processes = sums.processes > 0 ? sums.processes - 1 : 0; /* its keeper */
}

int watched_cpu_ns(const struct sandbox *sandbox, uint64_t *out)
{
    struct sums sums;
    if (add_all(sandbox, false, add_cpu, &sums))
        return -1;
    *out = ticks_to_ns(sums.user_ticks + sums.system_ticks);
    return 0;
}
