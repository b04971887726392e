/* The kernel's files of one cgroup, for limits/ alone. On v1 each controller has a hierarchy, on v2 all have one. */
#ifndef CGROUP_FILES_H
#define CGROUP_FILES_H

#include "limits/cgroup.h"

enum { MEMORY, PIDS, CPU, CPUACCT };

int open_in(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file, int flags);
int set_text(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file, const char *text);
int set_number(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file, uint64_t value);
/* The number behind `name` in a list of "name number" lines, or the whole text as a number when name is NULL. */
uint64_t number_in(const char *text, const char *name);
uint64_t read_number(int fd, const char *name);
uint64_t read_number_of(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file);

/* limit.c: before the next init forks. */
int permit_forks(const struct cgroups *all, struct cgroup *cgroup);

/* cgroup.c: tries again to remove what could not be removed. */
void remove_stale(struct cgroups *all);

#endif
