/* Landlock: what of it older headers lack, and the calls that libc has no functions for. */
#ifndef SANDBOX_LANDLOCK_H
#define SANDBOX_LANDLOCK_H

#include <linux/landlock.h>
#include <stdint.h>

enum {
    RIGHT_REFER = 1 << 13,        /* since the second version */
    RIGHT_TRUNCATE = 1 << 14,     /* third */
    RIGHT_IOCTL_DEVICE = 1 << 15, /* fifth */
    TCP_BIND = 1 << 0,            /* fourth */
    TCP_CONNECT = 1 << 1,
    SCOPE_ABSTRACT = 1 << 0, /* sixth */
    SCOPE_SIGNALS = 1 << 1,
};

/* What a domain decides about; all else it leaves as it is. */
struct handled {
    uint64_t files, net, scoped;
};

long landlock_version(void); /* below 1: there is none */
/* Of `handled` the part that this version knows. A descriptor, or -1. */
int new_ruleset(const struct handled *handled, long version);
/* 0, or -1. */
int allow_beneath(int ruleset, int place, uint64_t rights);
int allow_moves(int ruleset);
int enter_domain(int ruleset);

#endif
