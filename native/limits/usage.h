/* What processes use, as the kernel tells in /proc. */
#ifndef USAGE_H
#define USAGE_H

#include <stddef.h>
#include <stdint.h>

struct sums {
    uint64_t anonymous, shared; /* bytes */
    uint64_t unshared;          /* page tables, which grow without a page of one's own, and what was swapped out */
    uint64_t user_ticks, system_ticks;
    uint32_t processes;
};

/* Each adds what the process `pid` uses; `proc` is a /proc in which it has that number. One that has just ended adds
 * nothing. 0, or -1. */
typedef int add_fn(int proc, const char *pid, struct sums *sums);
add_fn add_resident;     /* pages that are shared after a fork count for each */
add_fn add_proportional; /* exactly, at a price */
add_fn add_cpu;

/* The text is empty when the process has just ended. */
int read_of(int proc, const char *pid, const char *file, char *text, size_t size);

/* Files in memory hold pages that are mapped, too: the larger of both counts. */
uint64_t total_memory(const struct sums *sums, uint64_t files);

#endif
