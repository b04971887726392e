/* The limits of one cgroup. Runs in the spawner. */
#include "limits/cgroup_files.h"

#include <inttypes.h>
#include <stdio.h>

enum { SOCKET_SHARE = 8 }; /* of the memory limit, on top of it: what sockets may hold (v1) */

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

int permit_forks(const struct cgroups *all, struct cgroup *cgroup)
{
    if (cgroup->forks_stopped && set_text(all, cgroup, PIDS, "pids.max", "max"))
        return -1;
    if (cgroup->forks_stopped)
        cgroup->applied.processes = 0;
    cgroup->forks_stopped = false;
    return 0;
}
