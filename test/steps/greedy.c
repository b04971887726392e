/* What a step does that takes all there is, a verb each. Runs as the step: the tests look at what becomes of it, and of others. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

static int a_file(void)
{
    return open("/dev/zero", O_RDONLY);
}

static int a_directory(void)
{
    return open("/tmp", O_DIRECTORY);
}

static int a_pipe(void)
{
    int ends[2];
    return pipe(ends);
}

static int a_socket(void)
{
    int ends[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static int an_epoll(void)
{
    return epoll_create1(0);
}

static int an_eventfd(void)
{
    return eventfd(0, 0);
}

static int a_memory_file(void)
{
    return memfd_create("greedy", 0);
}

/* Each child opens one kind until it can have no more, and keeps it. */
static int open_everything(void)
{
    static int (*const KINDS[])(void) = {a_file, a_directory, a_pipe, a_socket, an_epoll, an_eventfd, a_memory_file};
    enum { COUNT = sizeof(KINDS) / sizeof(*KINDS) };
    int ready[2];
    char byte;
    if (pipe(ready))
        return 3;
    for (int i = 0; i < 2 * COUNT; i++) {
        if (fork())
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* outside, nobody else would end it */
        close(ready[0]);
        while (KINDS[i % COUNT]() >= 0) {
        }
        byte = errno == EMFILE ? 'f' : 'o';
        if (write(ready[1], &byte, 1) != 1)
            _exit(3);
        for (;;)
            pause();
    }
    int full = 0;
    for (int i = 0; i < 2 * COUNT; i++) {
        if (read(ready[0], &byte, 1) != 1)
            return 3;
        full += byte == 'f';
    }
    printf("%d of %d\n", full, 2 * COUNT);
    fflush(stdout);
    sleep(1);
    return 0;
}

/* Children do the same, and nobody ever waits for one. */
static int fork_without_end(void)
{
    say("up");
    for (;;)
        fork();
}

static void *spin(void *none)
{
    for (volatile unsigned long count = 0;; count++) {
    }
    return none;
}

static int spin_in_every_thread(void)
{
    pthread_t thread;
    int made = 1;
    while (pthread_create(&thread, NULL, spin, NULL) == 0)
        made++;
    printf("%d\n", made);
    fflush(stdout);
    spin(NULL);
    return 0;
}

static int fill_one(const char *directory)
{
    static char block[1 << 16];
    char path[64];
    int files = 0;
    snprintf(path, sizeof(path), "%s/large", directory);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    while (fd >= 0 && write(fd, block, sizeof(block)) > 0) {
    }
    int error = errno;
    do
        snprintf(path, sizeof(path), "%s/%d", directory, files++);
    while ((fd = open(path, O_WRONLY | O_CREAT, 0600)) >= 0 && close(fd) == 0);
    return error == ENOSPC && errno == ENOSPC ? 0 : 1;
}

/* Its bytes first, and then its inodes. */
static int fill_scratch(void)
{
    int failed = fill_one("/tmp");
    failed += fill_one("/dev/shm");
    say(failed ? strerror(errno) : "full");
    return 0;
}

static int stop_itself(void)
{
    say("up");
    raise(SIGSTOP);
    say("went on");
    return 0;
}

/* Whomever a signal reaches, and then itself. */
static int stop_all(void)
{
    say("up");
    kill(-1, SIGSTOP);
    raise(SIGSTOP);
    return 0;
}

static const struct {
    const char *verb;
    int (*act)(void);
} VERBS[] = {
    {"open", open_everything},   {"fork", fork_without_end},  {"spin", spin_in_every_thread},
    {"fill", fill_scratch},      {"stop-itself", stop_itself}, {"stop-all", stop_all},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(VERBS) / sizeof(*VERBS); i++) {
        if (!strcmp(argv[1], VERBS[i].verb))
            return VERBS[i].act();
    }
    return 2;
}
