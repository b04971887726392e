/* Pages that every job touches. A fork shares all memory and copies a page when it is first written to, one fault each;
 * which pages that will be for the runtime's own part of a job, a rehearsal tells, and a step that is made ahead of
 * time has them copied and mapped before anybody waits for it. */
#ifndef WORKING_SET_H
#define WORKING_SET_H

#include <stdbool.h>

/* Before the first fork: a fork copies an entry for each page that was written to, and for each huge page only one.
 * Asks the kernel to make huge ones of what there is; one that cannot leaves it as it is. */
void collapse_memory(void);

/* Forks a child that is never a step. True in it: it rehearses a job, and calls tell_working_set(). False
 * in the zygote, when the child has ended; nothing is learnt when it failed. */
bool rehearse(void);
_Noreturn void tell_working_set(void);

/* In a step, once it is in its own cgroup: the pages are charged to that. */
void populate_working_set(void);

#endif
