/* Takes what a limit or a quota should hold back, in ways that are easily overlooked. `hoard WHAT AMOUNT [SECONDS]`:
 * takes that much, or what it gets, says how much, and keeps it for so long. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const size_t MIB = 1 << 20;

static void fail(const char *what)
{
    printf("refused: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void fill(char *at, size_t size)
{
    for (size_t i = 0; i < size; i += 4096)
        at[i] = 1;
}

static long plain(long mebibytes)
{
    char *at = mmap(NULL, (size_t)mebibytes * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        fail("mmap");
    fill(at, (size_t)mebibytes * MIB);
    return mebibytes;
}

/* A name that looks like the line that a watcher reads. */
static long under_a_name(long mebibytes)
{
    prctl(PR_SET_NAME, "RssAnon: 0");
    return plain(mebibytes);
}

/* The control runs outside: no child may stay there, also one that has not got its death signal in time. */
static void die_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
}

static long in_children(long mebibytes)
{
    int ready[2];
    char byte;
    pid_t parent = getpid();
    if (pipe(ready))
        fail("pipe");
    for (int i = 0; i < 8; i++) {
        if (fork())
            continue;
        die_with(parent);
        plain(mebibytes / 8);
        if (write(ready[1], "r", 1) == 1)
            pause();
        _exit(1);
    }
    for (int i = 0; i < 8; i++) {
        if (read(ready[0], &byte, 1) != 1)
            fail("children");
    }
    return mebibytes;
}

static long memory_file(long mebibytes)
{
    static char block[1 << 20];
    int fd = memfd_create("hoard", 0);
    if (fd < 0)
        fail("memfd_create");
    for (long i = 0; i < mebibytes; i++) {
        memset(block, (int)i + 1, sizeof(block));
        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
            fail("write");
    }
    return mebibytes;
}

/* Shared pages stay when nobody maps them any more. */
static long let_go(long mebibytes, int fd)
{
    size_t size = (size_t)mebibytes * MIB;
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
    if (at == MAP_FAILED)
        fail("mmap");
    for (size_t i = 0; i < size; i += 8 * MIB) {
        fill(at + i, 8 * MIB);
        madvise(at + i, 8 * MIB, MADV_DONTNEED);
    }
    return mebibytes;
}
static long shared(long mebibytes) { return let_go(mebibytes, -1); }
static long zero_device(long mebibytes) { return let_go(mebibytes, open("/dev/zero", O_RDWR)); }

static long segment(long mebibytes)
{
    int id = shmget(IPC_PRIVATE, (size_t)mebibytes * MIB, IPC_CREAT | 0600);
    char *at = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
    if (id >= 0)
        shmctl(id, IPC_RMID, NULL); /* also outside, where the control runs, nothing may stay */
    if (at == (char *)-1)
        fail("shmget");
    fill(at, (size_t)mebibytes * MIB);
    return mebibytes;
}

/* A table of the kernel's for every page that is read and not one that is owned. */
static long page_tables(long mebibytes)
{
    size_t size = (size_t)mebibytes * 512 * MIB;
    volatile char *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        fail("mmap");
    madvise((void *)at, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < size; i += 2 * MIB)
        (void)at[i];
    return mebibytes;
}

static long scratch(long mebibytes)
{
    static char block[1 << 20];
    int fd = open("/tmp/hoard", O_RDWR | O_CREAT | O_EXCL, 0600);
    unlink("/tmp/hoard");
    for (long i = 0; i < mebibytes; i++) {
        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
            return i;
    }
    return mebibytes;
}

static long many_files(long count)
{
    char name[64];
    long made = 0;
    for (; made < count; made++) {
        snprintf(name, sizeof(name), "%ld", made);
        if (mknod(name, 0100600, 0))
            break;
    }
    return made;
}

/* What lies in sockets and has not been read, in MiB, as the kernel counts it. */
static size_t held_by(int fd)
{
    unsigned memory[16] = {0};
    socklen_t length = sizeof(memory);
    getsockopt(fd, SOL_SOCKET, 55 /* SO_MEMINFO */, memory, &length);
    return (size_t)memory[0] + memory[5]; /* received, and not sent yet */
}

static long fill_sockets(long mebibytes, int type)
{
    static char block[32768];
    size_t total = 0;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, to = loopback;
    socklen_t length = sizeof(to);
    bind(listening, (struct sockaddr *)&to, sizeof(to));
    listen(listening, 128);
    getsockname(listening, (struct sockaddr *)&to, &length);
    for (int i = 0; i < 400 && total < (size_t)mebibytes * MIB; i++) {
        int out = socket(AF_INET, type | SOCK_NONBLOCK, 0), in = out;
        if (type == SOCK_DGRAM) {
            bind(out, (struct sockaddr *)&loopback, sizeof(loopback));
            getsockname(out, (struct sockaddr *)&to, &length);
        }
        connect(out, (struct sockaddr *)&to, sizeof(to));
        struct pollfd ready = {listening, POLLIN, 0};
        if (type == SOCK_STREAM && (poll(&ready, 1, 300) != 1 || (in = accept(listening, NULL, NULL)) < 0))
            break; /* the kernel gives no more */
        for (int n = 0; n < 200 && send(out, block, sizeof(block), MSG_DONTWAIT) > 0; n++) {
        }
        total += held_by(in) + (in == out ? 0 : held_by(out));
    }
    return (long)(total / MIB);
}
static long streams(long mebibytes) { return fill_sockets(mebibytes, SOCK_STREAM); }
static long datagrams(long mebibytes) { return fill_sockets(mebibytes, SOCK_DGRAM); }

static long watchers(long count)
{
    long made = 0;
    while (made < count && inotify_init1(IN_CLOEXEC) >= 0)
        made++;
    return made;
}

static long queues(long count)
{
    long made = 0;
    char name[32];
    for (; made < count; made++) {
        snprintf(name, sizeof(name), "/hoard-%d-%ld", getpid(), made);
        struct mq_attr attributes = {.mq_maxmsg = 10, .mq_msgsize = 8192};
        if (mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes) < 0)
            break;
        mq_unlink(name);
    }
    return made;
}

/* In a keyring of its own, which goes with the process. */
static long keys(long count)
{
    enum { JOIN_SESSION_KEYRING = 1, SESSION_KEYRING = -3 };
    long made = 0;
    char name[32];
    if (syscall(SYS_keyctl, JOIN_SESSION_KEYRING, NULL) < 0)
        return 0;
    for (; made < count; made++) {
        snprintf(name, sizeof(name), "hoard-%ld", made);
        if (syscall(SYS_add_key, "user", name, "x", 1, SESSION_KEYRING) < 0)
            break;
    }
    return made;
}

static long semaphores(long count)
{
    int id = semget(IPC_PRIVATE, (int)count, IPC_CREAT | 0600);
    if (id >= 0)
        semctl(id, 0, IPC_RMID);
    return id < 0 ? 0 : count;
}

static long processes(long count)
{
    long made = 0;
    pid_t parent = getpid();
    for (; made < count; made++) {
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0) {
            die_with(parent);
            pause();
        }
    }
    return made;
}

/* Processor time in children that nobody waits for: milliseconds. */
static long unseen_time(long milliseconds)
{
    signal(SIGCHLD, SIG_IGN);
    for (long spent = 0; spent < milliseconds; spent += 20) {
        pid_t pid = fork();
        if (pid == 0) {
            struct timespec used;
            do
                clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
            while (used.tv_nsec < 20000000);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    return milliseconds;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        long (*take)(long amount);
    } WHAT[] = {
        {"plain", plain},           {"under-a-name", under_a_name}, {"in-children", in_children},
        {"memory-file", memory_file}, {"shared", shared},           {"zero-device", zero_device},
        {"segment", segment},       {"page-tables", page_tables},   {"scratch", scratch},
        {"many-files", many_files}, {"streams", streams},           {"datagrams", datagrams},
        {"keys", keys}, {"watchers", watchers},     {"queues", queues},             {"semaphores", semaphores},
        {"processes", processes},   {"unseen-time", unseen_time},
    };
    for (size_t i = 0; argc >= 3 && i < sizeof(WHAT) / sizeof(WHAT[0]); i++) {
        if (strcmp(argv[1], WHAT[i].name))
            continue;
        printf("%ld\n", WHAT[i].take(atol(argv[2])));
        fflush(stdout);
        if (argc > 3)
            usleep((useconds_t)(atof(argv[3]) * 1e6));
        return 0;
    }
    return 2;
}
