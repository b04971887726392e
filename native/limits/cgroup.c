/* One cgroup: made, used again, removed. Runs in the spawner. The kernel's files are trusted; that a v1
 * hierarchy has a file and another kernel has not is expected, and every use says what its absence means. */
#include "limits/cgroup_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

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

void remove_stale(struct cgroups *all)
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

enum { CLEAN_BYTES = 4 << 20 };

/* The peak of processes cannot be reset, and the next step would be told this one's. Only a step that had children has
 * raised it; then this one directory is made anew, which is far cheaper than all of them. The name is used again only
 * because nothing has it any more. */
static int make_pids_anew(const struct cgroups *all, struct cgroup *cgroup)
{
    size_t attach = all->parents[MEMORY] >= 0 ? 1 : 0; /* of those that there are, in the order of the hierarchies */
    if (read_number(cgroup->pids_peak, NULL) <= all->idle)
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
