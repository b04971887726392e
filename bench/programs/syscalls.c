/* Nanoseconds per system call, the best of several loops each. Prints lines of "NAME NANOSECONDS". */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LOOPS = 5, CALLS = 5000 };

static int zero;

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void call_getppid(void)
{
    syscall(SYS_getppid);
}

static void call_read(void)
{
    char byte;
    if (read(zero, &byte, 1) != 1)
        _exit(1);
}

static void call_stat(void)
{
    struct stat found;
    if (stat("/usr/bin/env", &found))
        _exit(1);
}

static void call_open(void)
{
    int fd = open("/usr/bin/env", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || close(fd))
        _exit(1);
}

static void call_mmap(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || munmap(page, 4096))
        _exit(1);
}

static void call_socketpair(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || close(pair[0]) || close(pair[1]))
        _exit(1);
}

static const struct {
    const char *name;
    void (*call)(void);
} CALLS_OF[] = {
    {"getppid", call_getppid},           {"read", call_read},           {"stat", call_stat},
    {"open+close", call_open},           {"mmap+munmap", call_mmap},    {"socketpair+2close", call_socketpair},
};

int main(void)
{
    zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof(CALLS_OF) / sizeof(*CALLS_OF); i++) {
        uint64_t best = UINT64_MAX;
        for (int loop = 0; loop < LOOPS; loop++) {
            uint64_t begun = now();
            for (int call = 0; call < CALLS; call++)
                CALLS_OF[i].call();
            uint64_t taken = now() - begun;
            best = taken < best ? taken : best;
        }
        printf("%s %.1f\n", CALLS_OF[i].name, (double)best / CALLS);
    }
    return 0;
}
