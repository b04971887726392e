/* Control groups: one per sandbox, v2 or v1 (hybrid hosts), behind one face. */
#ifndef CGROUP_H
#define CGROUP_H

#include "common/control.h"

enum {
    STALE = 64, /* cgroups that could not be removed at once; beyond that they stay until this spawner ends */
};

enum { HIERARCHIES = 4 }; /* v1: memory, pids, cpu, cpuacct; v2: only the first */

/* Where this spawner's cgroups are. */
struct cgroups {
    uint32_t version;     /* 0: none can be written */
    uint32_t controllers; /* layer mask of MEMORY, PROCESSES, CPU */
    bool reusable;        /* the peak can be reset, so a cgroup can serve one sandbox after another */
    uint32_t idle;        /* processes in one before there is a step: init and the parked step */
    int parents[HIERARCHIES];
    char paths[HIERARCHIES][512]; /* for the record by which a later spawner sweeps; empty when unused */
    uint32_t made;                /* so far */
    char stale[STALE][24];        /* names still to be removed */
    char reason[256];             /* why a controller is missing */
    int freezer;                  /* where v2 has no place of its own here: a place on it for freezing alone; or -1 */
    char freezer_path[512];       /* for the record, too */
};

struct counters {
    uint64_t cpu_ns, user_ns, system_ns; /* v1 knows the sum exactly, the parts only by the scheduler's tick */
    uint64_t oom_kills;                  /* processes of this cgroup that the kernel's OOM killer ended */
    uint64_t limit_hits;                 /* times that this cgroup's own limit led to one */
    uint64_t fork_refusals;
    uint64_t peak_bytes;     /* since begin_cgroup */
    uint64_t peak_processes; /* with init, since the cgroup was made or made anew; 0: not known */
};

struct cgroup {
    bool made;
    char name[24];
    int attach[HIERARCHIES]; /* v1: `tasks` files; v2: [0] the directory */
    uint32_t attach_count;
    int memory_events, memory_peak, cpu, pids_events, pids_peak;
    int oom_notice; /* readable (v1: an eventfd) or exceptional (v2: memory.events) when something was killed */
    struct limits applied;
    struct counters begun;
    bool forks_stopped; /* and what had been refused before, for other reasons */
    uint64_t refused_before;
    bool kills_one; /* v2: memory.oom.group is off */
};

/* Finds or makes a place for this spawner; answers 0 also when there is none (version 0, reason filled). */
void open_cgroups(struct cgroups *all, const struct configure *configure);
/* Whether nothing is left of them. */
bool remove_cgroups(struct cgroups *all);

/* errno tells what was missing. */
int make_cgroup(struct cgroups *all, struct cgroup *cgroup, uint32_t number);
void remove_cgroup(struct cgroups *all, struct cgroup *cgroup);

/* nested.c: `out` are cgroups below one. `own`: on v2 that of whoever would otherwise be in that one itself. 0, or -1;
 * then, too, it has to be closed. */
int open_nested(struct cgroups *out, const struct cgroups *all, const struct cgroup *cgroup, int *own);
void close_nested(struct cgroups *nested, int *own);

/* Before a step: starts counting anew. */
int begin_cgroup(const struct cgroups *all, struct cgroup *cgroup);
int limit_cgroup(const struct cgroups *all, struct cgroup *cgroup, const struct limits *limits,
                 uint32_t extra_processes);
/* Whether the kernel, when memory runs out, ends one process and not all: a zygote's init must outlive it. 0, or -1. */
int kill_one_for_memory(const struct cgroups *all, struct cgroup *cgroup, bool one);
/* Ending takes processor time, too: with a small share of it a kill took seconds to be carried out. */
void lift_cpu_quota(const struct cgroups *all, struct cgroup *cgroup);
/* No more processes, whatever the limit was: what forks without end is otherwise faster than who ends it. What is
 * refused from now on is not counted. */
void stop_forks(const struct cgroups *all, struct cgroup *cgroup);
/* Since begin_cgroup. */
void read_counters(const struct cgroups *all, const struct cgroup *cgroup, struct counters *out);
/* What it holds now; 0: not known. */
uint64_t memory_in_use(const struct cgroups *all, const struct cgroup *cgroup);
uint32_t processes_in_use(const struct cgroups *all, const struct cgroup *cgroup);
/* Of its processor time, also before begin_cgroup: how much was the kernel's. v2 tells it with the counters. */
double system_share(const struct cgroups *all, const struct cgroup *cgroup);
/* After a sandbox: makes the cgroup fit for the next one, and answers whether it is. */
bool can_reuse(const struct cgroups *all, struct cgroup *cgroup);
/* What epoll is to wait for on `oom_notice`. A v2 file is always readable; what is new is exceptional. */
uint32_t oom_notice_events(const struct cgroups *all);
/* The notice lasts until it is read away. */
void acknowledge_oom(const struct cgroups *all, const struct cgroup *cgroup);
/* Whether `text`, a /proc/PID/cgroup, shows the cgroup in every hierarchy that is used. */
bool is_member(const struct cgroups *all, const struct cgroup *cgroup, const char *text);

/* freezer.c: a cgroup v2 by which what is put into it stands still and can still be killed. Made frozen, so that who is
 * put into it stands still at once. A descriptor of it, or -1. */
int make_freezer(const struct cgroups *all, uint64_t number);
void remove_freezer(const struct cgroups *all, uint64_t number, int *freezer);
/* `directory`: of a freezer, or of a cgroup on v2. 0, or -1. */
int set_frozen(int directory, bool frozen);
/* Whether it is known that all in it stands still. */
bool is_frozen(int directory);

/* Ends what runs in, and removes (answers whether it could), the cgroup directory `path` and those below it, left
 * behind by a spawner that died. */
bool sweep_cgroup(const char *path);

#endif
