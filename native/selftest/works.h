/* What the two halves of what must work have in common. */
#ifndef SELFTEST_WORKS_H
#define SELFTEST_WORKS_H

#include "selftest/prober.h"

#define WORKS_WHEN(name, condition)                                                                                    \
    static int name(char **unused)                                                                                     \
    {                                                                                                                  \
        (void)unused;                                                                                                  \
        return (condition) ? 0 : -1;                                                                                   \
    }

/* Whether a shell succeeds with it. */
bool runs(const char *script);

#endif
