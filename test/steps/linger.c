/* What a step does to outlive its end, to hold it up, or to reach its init. Runs as the step. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

static int wait_for_ever(void)
{
    say("ready");
    for (;;)
        pause();
}

/* Every signal there is, and every way of sending one, to init. Init must live, or this would not be said. */
static int signals_to_init(void)
{
    union sigval value = {0};
    int refused = 0;
    for (int number = 1; number < 65; number++) {
        refused += kill(1, number) != 0;
        sigqueue(1, number, value);
        syscall(SYS_tgkill, 1, 1, number);
        syscall(SYS_pidfd_send_signal, syscall(SYS_pidfd_open, 1, 0), number, NULL, 0);
    }
    int ends[2];
    for (int number = 1; number < 65 && !socketpair(AF_UNIX, SOCK_STREAM, 0, ends); number++) {
        fcntl(ends[0], F_SETOWN, 1);
        fcntl(ends[0], 10 /* F_SETSIG */, number);
        fcntl(ends[0], F_SETFL, O_ASYNC);
        if (write(ends[1], "x", 1) != 1)
            return 3;
        close(ends[0]);
        close(ends[1]);
    }
    usleep(100000);
    printf("%s\n", kill(1, 0) == 0 || errno == EPERM ? "init lives" : "init is gone");
    return 0;
}

static int hamper_init(void)
{
    struct sched_param none = {0};
    struct rlimit nothing = {0, 0};
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    printf("%d %d %d %d\n", sched_setscheduler(1, SCHED_IDLE, &none), sched_setaffinity(1, sizeof(one), &one),
           setpriority(PRIO_PROCESS, 1, 19), prlimit(1, RLIMIT_CPU, &nothing, NULL));
    return 0;
}

static int end_all_others(void)
{
    kill(-1, SIGKILL);
    say("alone");
    return 0;
}

static int stop(void)
{
    say("ready");
    raise(SIGSTOP);
    return 0;
}

/* A child that shares the parent's memory and stopped: its parent waits without hearing anything. */
static int vfork_and_stop(void)
{
    say("ready");
    if (vfork() == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    return 0;
}

static int zombies(void)
{
    for (int i = 0; i < 100; i++) {
        if (fork() == 0)
            _exit(0);
    }
    return wait_for_ever();
}

/* The main process ends while others make more of themselves as fast as they can. */
static int fork_while_ending(void)
{
    for (int i = 0; i < 8; i++) {
        if (fork())
            continue;
        setsid();
        for (;;) {
            if (fork() == 0 && fork() == 0)
                continue;
            waitpid(-1, NULL, WNOHANG);
        }
    }
    usleep(50000);
    say("ended");
    return 0;
}

/* Children without ears, in sessions of their own, that hold stdout open. */
static int hold_stdout(void)
{
    for (int i = 0; i < 4; i++) {
        if (fork())
            continue;
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        setsid();
        for (;;)
            pause();
    }
    say("ended");
    return 0;
}

static int close_stdout(void)
{
    close(1);
    close(2);
    usleep(300000);
    return 7;
}

/* Reads what it wrote itself, and holds the reading end. */
static int steal_stdout(void)
{
    char byte[8];
    say("mine");
    int reading = open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK);
    printf("%s\n", reading < 0 ? "refused" : read(reading, byte, sizeof(byte)) == 5 ? "taken back" : "gone");
    fflush(stdout);
    fcntl(1, F_SETPIPE_SZ, 4096);
    fchmod(1, 0);
    return 0;
}

/* One byte in each packet. */
static int drip(const char *count)
{
    fcntl(1, F_SETFL, O_WRONLY | O_DIRECT);
    for (long i = 0; i < atol(count); i++) {
        if (write(1, "x", 1) != 1)
            return 1;
    }
    return 0;
}

static int spin_all(const char *count)
{
    for (long i = 1; i < atol(count); i++) {
        if (fork() == 0)
            for (;;) {
            }
    }
    say("ready");
    for (;;) {
    }
}

/* An abstract socket: one waits for a caller, the other calls. */
static int abstract(const char *side)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0spawn-sandbox-test"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (!strcmp(side, "call")) {
        for (int i = 0; i < 20; i++) {
            if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
                return say("connected"), 0;
            usleep(20000);
        }
        return say("nobody"), 0;
    }
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1))
        return say("refused"), 0;
    say("ready");
    usleep(1500000);
    return 0;
}

static int send_descriptor(int socket, int fd)
{
    union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr header; } control = {.space = {0}};
    struct iovec part = {"", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    return sendmsg(socket, &message, 0) == 1 ? 0 : -1;
}

static int receive_descriptor(int socket)
{
    union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr header; } control;
    char byte;
    int fd = -1;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    if (recvmsg(socket, &message, 0) == 1)
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
    return fd;
}

/* Over a socket in a directory that two sandboxes share: a handle of oneself, one's /proc and user namespace. */
static int give(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, path);
    bind(fd, (struct sockaddr *)&address, sizeof(address));
    chmod(path, 0666);
    listen(fd, 1);
    int peer = accept(fd, NULL, NULL);
    send_descriptor(peer, (int)syscall(SYS_pidfd_open, getpid(), 0));
    send_descriptor(peer, open("/proc", O_RDONLY));
    send_descriptor(peer, open("/proc/self/ns/user", O_RDONLY));
    usleep(500000);
    say("still here");
    return 0;
}

static int take(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), tries = 0;
    strcpy(address.sun_path, path);
    while (connect(fd, (struct sockaddr *)&address, sizeof(address)) && tries++ < 200)
        usleep(20000);
    int other = receive_descriptor(fd), proc = receive_descriptor(fd), user = receive_descriptor(fd);
    printf("signal %ld, environ %d, root %d, join %d\n", syscall(SYS_pidfd_send_signal, other, SIGKILL, NULL, 0),
           openat(proc, "2/environ", O_RDONLY), openat(proc, "2/root", O_PATH), setns(user, 0));
    return other < 0 || proc < 0 || user < 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*plain)(void);
        int (*with)(const char *argument);
    } VERBS[] = {
        {"signals-to-init", signals_to_init, NULL}, {"hamper-init", hamper_init, NULL},
        {"end-all-others", end_all_others, NULL},   {"stop", stop, NULL},
        {"vfork-and-stop", vfork_and_stop, NULL},   {"zombies", zombies, NULL},
        {"fork-while-ending", fork_while_ending, NULL}, {"hold-stdout", hold_stdout, NULL},
        {"close-stdout", close_stdout, NULL},       {"steal-stdout", steal_stdout, NULL},
        {"wait", wait_for_ever, NULL},              {"drip", NULL, drip},
        {"spin-all", NULL, spin_all},               {"abstract", NULL, abstract},
        {"give", NULL, give},                       {"take", NULL, take},
    };
    for (size_t i = 0; argc >= 2 && i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
        if (!strcmp(argv[1], VERBS[i].name))
            return VERBS[i].plain ? VERBS[i].plain() : argc == 3 ? VERBS[i].with(argv[2]) : 2;
    }
    return 2;
}
