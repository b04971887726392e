/* What a step does to reach its limits, a verb each. Runs as the step: the tests look at what becomes of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void touch(size_t mebibytes)
{
    size_t size = mebibytes << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(3);
    for (size_t at = 0; at < size; at += 4096)
        memory[at] = 1;
}

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

/* The whole memory at once, and a good end if it was to be had. */
static int eat(const char *mebibytes)
{
    touch(strtoul(mebibytes, NULL, 10));
    say("full");
    return 0;
}

/* The parent outlives what happens to its child, and would exit as if nothing had been. */
static int eat_below(const char *mebibytes)
{
    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(eat(mebibytes));
        waitpid(grandchild, NULL, 0);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    sleep(3);
    say("survived");
    return 0;
}

/* Children that share the memory, and ask for all of it in the moment in which the parent is gone. */
static int eat_after(const char *mebibytes)
{
    enum { CHILDREN = 12 };
    int ready[2];
    char byte;
    pid_t parent = getpid();
    if (pipe(ready))
        return 3;
    for (int i = 0; i < CHILDREN; i++) {
        if (fork())
            continue;
        if (write(ready[1], "r", 1) != 1)
            _exit(3);
        while (getppid() == parent) {
        }
        touch(strtoul(mebibytes, NULL, 10) / CHILDREN);
        for (;;)
            pause();
    }
    for (int i = 0; i < CHILDREN; i++) {
        if (read(ready[0], &byte, 1) != 1)
            return 3;
    }
    return 0;
}

/* The parent exits well as soon as its child has been ended for want of memory. */
static int exit_after(const char *mebibytes)
{
    if (fork() == 0)
        _exit(eat(mebibytes));
    wait(NULL);
    return 0;
}

static int fork_all(const char *most)
{
    int made = 0, wanted = atoi(most);
    while (made < wanted) {
        pid_t child = fork();
        if (child == 0) {
            for (;;)
                pause();
        }
        if (child < 0)
            break;
        made++;
    }
    int error = made < wanted ? errno : 0;
    printf("%d %s\n", made, error == EAGAIN ? "EAGAIN" : error ? strerror(error) : "all");
    return 0;
}

static int spin(const char *milliseconds)
{
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    long ms = atol(milliseconds);
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000;
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
    return 0;
}

/* Every way to outlive a kill that a process knows: another session, no parent, no ear for signals, stopped. */
static int scatter(const char *name)
{
    int ready[2];
    char byte;
    prctl(PR_SET_NAME, name);
    if (pipe(ready))
        return 3;
    for (int i = 0; i < 4; i++) {
        if (fork())
            continue;
        if (i > 0)
            setsid();
        if (i > 1 && fork())
            _exit(0);
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        signal(SIGTERM, SIG_IGN);
        if (write(ready[1], "r", 1) != 1)
            _exit(3);
        if (i == 3)
            raise(SIGSTOP);
        for (;;)
            pause();
    }
    signal(SIGTERM, SIG_IGN);
    for (int i = 0; i < 4; i++) {
        if (read(ready[0], &byte, 1) != 1)
            return 3;
    }
    say("scattered");
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*act)(const char *argument);
    } VERBS[] = {{"eat", eat}, {"eat-below", eat_below}, {"eat-after", eat_after},
                 {"exit-after", exit_after}, {"fork-all", fork_all}, {"spin", spin}, {"scatter", scatter}};
    for (size_t i = 0; argc == 3 && i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
        if (!strcmp(argv[1], VERBS[i].name))
            return VERBS[i].act(argv[2]);
    }
    return 2;
}
