/* What the files that find a place for cgroups share. */
#ifndef LIMITS_FIND_H
#define LIMITS_FIND_H

#include "limits/cgroup.h"

/* Whether `word` is one of `list`, which the characters `separators` divide. */
bool has_word(const char *list, const char *word, const char *separators);
/* Makes and opens this spawner's directory below `base` for the hierarchy `which`. */
int open_parent(struct cgroups *all, size_t which, const char *base, uint64_t instance);

/* find_v2.c: `own` is the directory of the app's own cgroup, `point` that of the whole hierarchy as far as it can be
 * seen. */
void open_v2(struct cgroups *all, const char *point, const char *own, const struct configure *configure);

/* Moves the app and its relatives out of the cgroup `base` into its child LEAF; -1 with EBUSY when others are in it,
 * who are not ours to move. */
#define LEAF "spawn-sandbox-app"
#define LEAF "spawn-sandbox-app"
int make_room(const char *base);

#endif
