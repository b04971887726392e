/* What a cgroup counts, from the begin of a step on. Runs in the spawner. */
#include "limits/cgroup_files.h"

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

uint64_t memory_in_use(const struct cgroups *all, const struct cgroup *cgroup)
{
    const char *file = all->version == 2 ? "memory.current" : "memory.usage_in_bytes";
    return all->controllers & 1u << LAYER_MEMORY ? read_number_of(all, cgroup, MEMORY, file) : 0;
}

uint32_t processes_in_use(const struct cgroups *all, const struct cgroup *cgroup)
{
    return all->controllers & 1u << LAYER_PROCESSES ? (uint32_t)read_number_of(all, cgroup, PIDS, "pids.current") : 0;
}

double system_share(const struct cgroups *all, const struct cgroup *cgroup)
{
    uint64_t user = read_number_of(all, cgroup, CPUACCT, "cpuacct.usage_user");
    uint64_t kernel = read_number_of(all, cgroup, CPUACCT, "cpuacct.usage_sys");
    return user + kernel > 0 ? (double)kernel / (double)(user + kernel) : 0;
}
