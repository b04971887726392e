/* One cgroup: made, limited, read, used again, removed. Runs in the spawner. The kernel's files are trusted; that a v1
 * hierarchy has a file and another kernel has not is expected, and every use says what its absence means. */
#include "limits/cgroup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

enum { MEMORY, PIDS, CPU, CPUACCT };

enum { SOCKET_SHARE = 8 }; /* of the memory limit, on top of it: what sockets may hold (v1) */

static size_t hierarchy(const struct cgroups *all, size_t v1)
{
    return all->version == 2 ? 0 : v1;
}

static int open_in(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file, int flags)
{
    char path[96];
    int parent = all->parents[hierarchy(all, v1)];
    if (parent < 0) {
        errno = ENOENT;
        return -1;
    }
    snprintf(path, sizeof(path), "%s/%s", cgroup->name, file);
    return openat(parent, path, flags | O_CLOEXEC);
}

static int set_text(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file,
                    const char *text)
{
    autoclose int fd = open_in(all, cgroup, v1, file, O_WRONLY);
    size_t length = strlen(text);
    return fd >= 0 && write(fd, text, length) == (ssize_t)length ? 0 : -1;
}

static int set_number(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file,
                      uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    return set_text(all, cgroup, v1, file, text);
}

/* The number behind `name` in a list of "name number" lines, or the whole text as a number when name is NULL. */
static uint64_t number_in(const char *text, const char *name)
{
    if (!name)
        return strtoull(text, NULL, 10);
    size_t length = strlen(name);
    for (const char *line = text; *line;) {
        if (!strncmp(line, name, length) && line[length] == ' ')
            return strtoull(line + length, NULL, 10);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return 0;
}

static uint64_t read_number(int fd, const char *name)
{
    char text[512];
    return fd < 0 || read_record(fd, text, sizeof(text)) < 0 ? 0 : number_in(text, name);
}

static uint64_t read_number_of(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file)
{
    autoclose int fd = open_in(all, cgroup, v1, file, O_RDONLY);
    return read_number(fd, NULL);
}

/* Asks the kernel to write to an eventfd whenever the cgroup is out of memory. */
static int watch_v1(const struct cgroups *all, struct cgroup *cgroup)
{
    char text[32];
    cgroup->oom_notice = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cgroup->oom_notice < 0)
        return -1;
    snprintf(text, sizeof(text), "%d %d", cgroup->oom_notice, cgroup->memory_events);
    return set_text(all, cgroup, MEMORY, "cgroup.event_control", text);
}

static void open_pids(const struct cgroups *all, struct cgroup *cgroup)
{
    cgroup->pids_events = open_in(all, cgroup, PIDS, "pids.events", O_RDONLY);
    cgroup->pids_peak = open_in(all, cgroup, PIDS, "pids.peak", O_RDONLY);
}

static int open_v1(const struct cgroups *all, struct cgroup *cgroup)
{
    for (size_t i = 0; i < HIERARCHIES; i++) {
        if (all->parents[i] < 0)
            continue;
        int fd = open_in(all, cgroup, i, "tasks", O_WRONLY);
        if (fd < 0)
            return -1;
        cgroup->attach[cgroup->attach_count++] = fd;
    }
    open_pids(all, cgroup);
    cgroup->memory_events = open_in(all, cgroup, MEMORY, "memory.oom_control", O_RDONLY);
    cgroup->memory_peak = open_in(all, cgroup, MEMORY, "memory.max_usage_in_bytes", O_RDWR);
    cgroup->cpu = open_in(all, cgroup, CPUACCT, "cpuacct.usage", O_RDONLY);
    return all->controllers & 1u << LAYER_MEMORY ? watch_v1(all, cgroup) : 0;
}

static int open_v2(const struct cgroups *all, struct cgroup *cgroup)
{
    cgroup->attach[0] = openat(all->parents[0], cgroup->name, O_DIRECTORY | O_CLOEXEC);
    if (cgroup->attach[0] < 0)
        return -1;
    cgroup->attach_count = 1;
    cgroup->memory_events = open_in(all, cgroup, 0, "memory.events", O_RDONLY);
    cgroup->memory_peak = open_in(all, cgroup, 0, "memory.peak", O_RDONLY);
    cgroup->cpu = open_in(all, cgroup, 0, "cpu.stat", O_RDONLY);
    open_pids(all, cgroup);
    /* Opened once more: reading a file silences its notice, and the counters are read at any time. */
    cgroup->oom_notice = open_in(all, cgroup, 0, "memory.events", O_RDONLY);
    if (cgroup->memory_events < 0 || cgroup->oom_notice < 0)
        return -1;
    /* All die together: what one process of a command was killed for, the command was. */
    if (set_text(all, cgroup, 0, "memory.oom.group", "1"))
        return -1;
    return set_text(all, cgroup, 0, "memory.swap.max", "0") && errno != ENOENT ? -1 : 0;
}

int make_cgroup(struct cgroups *all, struct cgroup *cgroup, uint32_t number)
{
    *cgroup = (struct cgroup){.attach = {-1, -1, -1, -1},
                              .memory_events = -1,
                              .memory_peak = -1,
                              .cpu = -1,
                              .pids_events = -1,
                              .pids_peak = -1,
                              .oom_notice = -1,
                              .made = true};
    /* A name is never used twice: what could not be removed yet must not be found again. */
    snprintf(cgroup->name, sizeof(cgroup->name), "%u-%u", number, ++all->made);
    for (size_t i = 0; i < HIERARCHIES; i++) {
        if (all->parents[i] >= 0 && mkdirat(all->parents[i], cgroup->name, 0755))
            return -1;
    }
    return all->version == 2 ? open_v2(all, cgroup) : all->version == 1 ? open_v1(all, cgroup) : 0;
}

/* Whether the kernel has let go of it in every hierarchy; a process that is just ending may hold it for a moment. */
static bool remove_directories(const struct cgroups *all, const char *name)
{
    bool removed = true;
    for (size_t i = 0; i < HIERARCHIES; i++) {
        if (all->parents[i] >= 0 && unlinkat(all->parents[i], name, AT_REMOVEDIR) && errno != ENOENT)
            removed = false;
    }
    return removed;
}

static void remove_stale(struct cgroups *all)
{
    for (size_t i = 0; i < STALE; i++) {
        if (all->stale[i][0] && remove_directories(all, all->stale[i]))
            all->stale[i][0] = 0;
    }
}

static void remember_stale(struct cgroups *all, const char *name)
{
    for (size_t i = 0; i < STALE; i++) {
        if (!all->stale[i][0]) {
            snprintf(all->stale[i], sizeof(all->stale[i]), "%s", name);
            return;
        }
    }
}

void remove_cgroup(struct cgroups *all, struct cgroup *cgroup)
{
    if (!cgroup->made)
        return;
    int *const descriptors[] = {&cgroup->memory_events, &cgroup->memory_peak, &cgroup->cpu,
                                &cgroup->pids_events,   &cgroup->pids_peak,   &cgroup->oom_notice};
    for (size_t i = 0; i < LENGTH(descriptors); i++)
        close_descriptor(descriptors[i]);
    for (size_t i = 0; i < HIERARCHIES; i++)
        close_descriptor(&cgroup->attach[i]);
    remove_stale(all);
    if (!remove_directories(all, cgroup->name))
        remember_stale(all, cgroup->name);
    cgroup->made = false;
}

static void read_absolute(const struct cgroups *all, const struct cgroup *cgroup, struct counters *out)
{
    *out = (struct counters){0};
    char text[1024];
    if (all->version == 2) {
        if (cgroup->cpu >= 0 && read_record(cgroup->cpu, text, sizeof(text)) > 0) {
            out->user_ns = number_in(text, "user_usec") * 1000;
            out->system_ns = number_in(text, "system_usec") * 1000;
            out->cpu_ns = number_in(text, "usage_usec") * 1000;
        }
        if (cgroup->memory_events >= 0 && read_record(cgroup->memory_events, text, sizeof(text)) > 0) {
            out->oom_kills = number_in(text, "oom_kill");
            out->limit_hits = number_in(text, "oom"); /* `max` counts reclaim too, which harms nobody */
        }
    } else if (all->version == 1) {
        out->cpu_ns = read_number(cgroup->cpu, NULL);
        out->oom_kills = read_number(cgroup->memory_events, "oom_kill");
    }
    out->fork_refusals = read_number(cgroup->pids_events, "max");
    out->peak_bytes = read_number(cgroup->memory_peak, NULL);
    out->peak_processes = read_number(cgroup->pids_peak, NULL);
}

int begin_cgroup(const struct cgroups *all, struct cgroup *cgroup)
{
    if (all->version == 1 && cgroup->memory_peak >= 0 && pwrite(cgroup->memory_peak, "0", 1, 0) != 1)
        return -1;
    read_absolute(all, cgroup, &cgroup->begun);
    return 0;
}

void read_counters(const struct cgroups *all, const struct cgroup *cgroup, struct counters *out)
{
    read_absolute(all, cgroup, out);
    out->cpu_ns -= cgroup->begun.cpu_ns;
    out->user_ns -= cgroup->begun.user_ns;
    out->system_ns -= cgroup->begun.system_ns;
    out->oom_kills -= cgroup->begun.oom_kills;
    out->limit_hits -= cgroup->begun.limit_hits;
    out->fork_refusals =
        cgroup->forks_stopped ? cgroup->refused_before : out->fork_refusals - cgroup->begun.fork_refusals;
    /* v1 has no counter that every kernel keeps (failcnt stays 0 on newer ones): whether it was this cgroup's own limit
     * that was hit, its peak tells, which then lies within one batch of charges below it. */
    uint64_t limit = cgroup->applied.memory_bytes;
    if (all->version == 1 && out->oom_kills > 0 && limit > 0 && out->peak_bytes + limit / 16 >= limit)
        out->limit_hits = 1;
}

/* v1 counts what sockets hold apart from all else, and only where a limit is set for it: without one a step could fill
 * the host's memory by way of its own loopback. */
static int limit_sockets(const struct cgroups *all, const struct cgroup *cgroup, uint64_t bytes)
{
    static const char SOCKETS[] = "memory.kmem.tcp.limit_in_bytes";
    uint64_t limit = bytes ? bytes / SOCKET_SHARE : INT64_MAX;
    return set_number(all, cgroup, MEMORY, SOCKETS, limit) && errno != ENOENT ? -1 : 0;
}

static int limit_memory(const struct cgroups *all, const struct cgroup *cgroup, uint64_t bytes)
{
    if (all->version == 2)
        return bytes ? set_number(all, cgroup, 0, "memory.max", bytes) : set_text(all, cgroup, 0, "memory.max", "max");
    char text[24];
    snprintf(text, sizeof(text), bytes ? "%" PRIu64 : "-1", bytes);
    static const char MEMORY_LIMIT[] = "memory.limit_in_bytes", WITH_SWAP[] = "memory.memsw.limit_in_bytes";
    /* memory <= memory + swap must hold at every moment: whichever way we come from, one of the two orders works. */
    if (set_text(all, cgroup, MEMORY, MEMORY_LIMIT, text) &&
        (set_text(all, cgroup, MEMORY, WITH_SWAP, text) || set_text(all, cgroup, MEMORY, MEMORY_LIMIT, text)))
        return -1;
    if (set_text(all, cgroup, MEMORY, WITH_SWAP, text) && errno != ENOENT)
        return -1;
    return limit_sockets(all, cgroup, bytes);
}

static int limit_cpus(const struct cgroups *all, const struct cgroup *cgroup, uint32_t milli)
{
    char text[48];
    if (all->version == 1) {
        snprintf(text, sizeof(text), milli ? "%u" : "-1", milli * 100);
        return set_text(all, cgroup, CPU, "cpu.cfs_quota_us", text);
    }
    snprintf(text, sizeof(text), milli ? "%u 100000" : "max 100000", milli * 100);
    return set_text(all, cgroup, 0, "cpu.max", text);
}

static int limit_processes(const struct cgroups *all, const struct cgroup *cgroup, uint32_t most)
{
    return most ? set_number(all, cgroup, PIDS, "pids.max", most) : set_text(all, cgroup, PIDS, "pids.max", "max");
}

int limit_cgroup(const struct cgroups *all, struct cgroup *cgroup, const struct limits *limits,
                 uint32_t extra_processes)
{
    struct limits *applied = &cgroup->applied;
    if (all->controllers & 1u << LAYER_MEMORY && applied->memory_bytes != limits->memory_bytes &&
        limit_memory(all, cgroup, limits->memory_bytes))
        return -1;
    applied->memory_bytes = limits->memory_bytes;
    uint32_t processes = limits->processes ? limits->processes + extra_processes : 0;
    if (all->controllers & 1u << LAYER_PROCESSES && applied->processes != processes &&
        limit_processes(all, cgroup, processes))
        return -1;
    applied->processes = processes;
    if (all->controllers & 1u << LAYER_CPU && applied->milli_cpus != limits->milli_cpus &&
        limit_cpus(all, cgroup, limits->milli_cpus))
        return -1;
    applied->milli_cpus = limits->milli_cpus;
    return 0;
}

int kill_one_for_memory(const struct cgroups *all, struct cgroup *cgroup, bool one)
{
    if (all->version != 2 || !(all->controllers & 1u << LAYER_MEMORY) || cgroup->kills_one == one)
        return 0;
    if (set_text(all, cgroup, 0, "memory.oom.group", one ? "0" : "1"))
        return -1;
    cgroup->kills_one = one;
    return 0;
}

void lift_cpu_quota(const struct cgroups *all, struct cgroup *cgroup)
{
    if (cgroup->made && cgroup->applied.milli_cpus && !limit_cpus(all, cgroup, 0))
        cgroup->applied.milli_cpus = 0;
}

void stop_forks(const struct cgroups *all, struct cgroup *cgroup)
{
    struct counters now;
    if (!cgroup->made || cgroup->forks_stopped || !(all->controllers & 1u << LAYER_PROCESSES))
        return;
    read_counters(all, cgroup, &now);
    if (set_text(all, cgroup, PIDS, "pids.max", "0"))
        return;
    cgroup->refused_before = now.fork_refusals;
    cgroup->forks_stopped = true;
}

/* Before the next init forks. */
static int permit_forks(const struct cgroups *all, struct cgroup *cgroup)
{
    if (cgroup->forks_stopped && set_text(all, cgroup, PIDS, "pids.max", "max"))
        return -1;
    if (cgroup->forks_stopped)
        cgroup->applied.processes = 0;
    cgroup->forks_stopped = false;
    return 0;
}

enum {
    CLEAN_BYTES = 4 << 20,
    NO_STEP_YET = 2, /* init and the parked step: what every sandbox has */
};

/* The peak of processes cannot be reset, and the next step would be told this one's. Only a step that had children has
 * raised it; then this one directory is made anew, which is far cheaper than all of them. The name is used again only
 * because nothing has it any more. */
static int make_pids_anew(const struct cgroups *all, struct cgroup *cgroup)
{
    size_t attach = all->parents[MEMORY] >= 0 ? 1 : 0; /* of those that there are, in the order of the hierarchies */
    if (read_number(cgroup->pids_peak, NULL) <= NO_STEP_YET)
        return 0;
    close_descriptor(&cgroup->pids_events);
    close_descriptor(&cgroup->pids_peak);
    close_descriptor(&cgroup->attach[attach]);
    if (unlinkat(all->parents[PIDS], cgroup->name, AT_REMOVEDIR) || mkdirat(all->parents[PIDS], cgroup->name, 0755))
        return -1;
    cgroup->attach[attach] = open_in(all, cgroup, PIDS, "tasks", O_WRONLY);
    open_pids(all, cgroup);
    cgroup->applied.processes = 0;
    return cgroup->attach[attach] < 0 ? -1 : 0;
}

bool can_reuse(const struct cgroups *all, struct cgroup *cgroup)
{
    /* Page cache that the last step was charged for would be counted against the next. */
    return all->reusable && read_number_of(all, cgroup, MEMORY, "memory.usage_in_bytes") <= CLEAN_BYTES &&
           !make_pids_anew(all, cgroup) && !permit_forks(all, cgroup);
}

uint32_t oom_notice_events(const struct cgroups *all)
{
    /* Edge-triggered, so that a notice that was read away does not keep its place before what came since. */
    return all->version == 2 ? EPOLLPRI : EPOLLIN | EPOLLET;
}

void acknowledge_oom(const struct cgroups *all, const struct cgroup *cgroup)
{
    char unused[512];
    if (all->version == 2)
        read_record(cgroup->oom_notice, unused, sizeof(unused));
    else if (read(cgroup->oom_notice, unused, sizeof(uint64_t)) < 0)
        return; /* somebody has been faster */
}

bool is_member(const struct cgroups *all, const struct cgroup *cgroup, const char *text)
{
    char tail[64];
    size_t wanted = 0, found = 0;
    for (size_t i = 0; i < HIERARCHIES; i++)
        wanted += all->parents[i] >= 0;
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        const char *base = all->paths[0][0] ? strrchr(all->paths[0], '/') : NULL;
        int tail_length = base ? snprintf(tail, sizeof(tail), "%s/%s", base, cgroup->name) : 0;
        if (tail_length > 0 && length >= (size_t)tail_length &&
            !memcmp(line + length - tail_length, tail, (size_t)tail_length))
            found++;
        line += length + (line[length] == '\n');
    }
    return found >= wanted;
}
