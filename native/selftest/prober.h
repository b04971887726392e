/* What `spawn-sandbox selftest` runs inside of a sandbox, and once outside as the control: hostile code that tells what
 * it was answered. It is no part of what confines, and trusts nothing that it is run in. */
#ifndef SELFTEST_PROBER_H
#define SELFTEST_PROBER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Of one check, in a process of its own: 0 when it got what it wanted, else -1 with errno. */
typedef int (*operation)(char **arguments);

struct named {
    const char *name;
    operation run;
};

/* Each ends with a row without a name. */
extern const struct named CALLS[], FILES[], FACTS[], EXCHANGES[], QUANTITIES[], ATTEMPTS[], WORKS[], WORKS_OF_FILES[],
    STAYS[];

/* What is said beside the answer, in one line; answers 0. */
int tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What a call has answered that is no count. */
static inline int done(long answer)
{
    return answer < 0 ? -1 : 0;
}

/* The directory of temporary files: TMPDIR's, or /tmp. */
const char *temporary(void);

/* A file of this check's own in it, which is removed when it ends. */
int own_file(void);
const char *own_path(void);
void remove_own_file(void);

/* A child that waits to be ended, and ends by itself after a while; -1 when there can be none. */
pid_t waiting_child(void);

/* What lies on the host for the sandboxed to find: `bait TOKEN DIRECTORY PORT`. */
int lay_bait(char **arguments);

#endif
