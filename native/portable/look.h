/* What a warden looks at. */
#ifndef LOOK_H
#define LOOK_H

#include <stdint.h>

#include "sandbox/internal.h"

/* `proc`: the host's. `most`: bytes. When it is OVER_UNSEEN, errno tells why. */
enum over look_at_memory(int proc, uint64_t most);
/* What lies in the directories below `scratch`, and what has no name any more and is still open or mapped. */
enum over look_at_scratch(int proc, const struct define *policy, const char *scratch, uint64_t most);

#endif
