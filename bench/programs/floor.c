/* The floor: what fork, execve and wait cost a small process that does nothing else. Reads lines of
 * "COUNT CONCURRENCY MILLISECONDS PROGRAM" and answers each with one line of nanoseconds, one number per start. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_AT_ONCE = 256 };

struct running {
    pid_t pid;
    uint64_t since;
};

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static pid_t start(const char *program)
{
    pid_t pid = fork();
    if (pid == 0) {
        char *const argv[] = {(char *)program, NULL};
        char *const environment[] = {NULL};
        execve(program, argv, environment);
        _exit(127);
    }
    if (pid < 0)
        exit(1);
    return pid;
}

static struct running *find(struct running *all, int count, pid_t pid)
{
    for (int i = 0; i < count; i++) {
        if (all[i].pid == pid)
            return &all[i];
    }
    exit(1);
}

static void run(long count, int concurrency, uint64_t deadline, const char *program)
{
    struct running all[MOST_AT_ONCE] = {{0}};
    int running = 0;
    for (long started = 0;;) {
        while (running < concurrency && started < count && now() < deadline) {
            struct running *slot = find(all, concurrency, 0);
            slot->since = now();
            slot->pid = start(program);
            started++;
            running++;
        }
        if (running == 0)
            break;
        int status;
        struct running *ended = find(all, concurrency, wait(&status));
        printf("%llu ", (unsigned long long)(now() - ended->since));
        ended->pid = 0;
        running--;
    }
    printf("\n");
    fflush(stdout);
}

int main(void)
{
    long count, milliseconds;
    int concurrency;
    char program[256];
    while (scanf("%ld %d %ld %255s", &count, &concurrency, &milliseconds, program) == 4) {
        if (concurrency < 1 || concurrency > MOST_AT_ONCE)
            return 1;
        run(count, concurrency, now() + (uint64_t)milliseconds * 1000000u, program);
    }
    return 0;
}
