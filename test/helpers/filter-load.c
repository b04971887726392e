/*
 * Loads two filters as a sandbox does: BASE early, STEP on top of it.
 *
 *   filter-load BASE STEP time ROUNDS      medians in nanoseconds: BASE, STEP on top of BASE, STEP alone
 *   filter-load BASE STEP run COMMAND...   executes a command under both, without a listener
 */
#define _GNU_SOURCE
#include "filter-install.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t timed_install(struct filter *filter, unsigned int flags)
{
    uint64_t before = now();
    if (install_filter(filter, flags) < 0)
        die("seccomp");
    return now() - before;
}

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Each round is a process of its own: what is installed can never be removed. */
static void measure(struct filter *base, struct filter *step, size_t rounds)
{
    uint64_t *times = mmap(NULL, 3 * rounds * sizeof(*times), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (times == MAP_FAILED)
        die("mmap");
    for (size_t round = 0; round < 2 * rounds; round++) {
        pid_t child = fork();
        if (child == 0) {
            forbid_new_privileges();
            if (round < rounds) {
                times[round] = timed_install(base, 0);
                times[rounds + round] = timed_install(step, SECCOMP_FILTER_FLAG_NEW_LISTENER);
            } else {
                times[rounds + round] = timed_install(step, SECCOMP_FILTER_FLAG_NEW_LISTENER);
            }
            _exit(0);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status != 0)
            die("child");
    }
    for (int column = 0; column < 3; column++) {
        uint64_t *start = times + (size_t)column * rounds;
        qsort(start, rounds, sizeof(*start), by_size);
        printf("%llu%c", (unsigned long long)start[rounds / 2], column == 2 ? '\n' : ' ');
    }
}

int main(int argc, char **argv)
{
    static struct filter base, step;
    if (argc < 5)
        return 64;
    read_filter(argv[1], &base);
    read_filter(argv[2], &step);
    if (strcmp(argv[3], "time") == 0) {
        measure(&base, &step, strtoul(argv[4], NULL, 10));
        return 0;
    }
    forbid_new_privileges();
    if (install_filter(&base, 0) != 0 || install_filter(&step, 0) != 0)
        die("seccomp");
    execvp(argv[4], argv + 4);
    die(argv[4]);
}
