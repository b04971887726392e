/* How much can be had: each takes until it has as much as was said, which is more than a sandbox should give, and
 * never more. What was taken is told. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selftest/prober.h"

enum { MEBIBYTE = 1 << 20, FILES_S = 15 };

static long most;

static int got(long count)
{
    int error = errno;
    tell("%ld", count);
    errno = error;
    return count >= most ? 0 : -1;
}

static void set_most(char **words)
{
    most = atol(words[0]);
}

static int processes(char **words)
{
    static pid_t all[4096];
    set_most(words);
    long count = 0;
    while (count < most && count < (long)LENGTH(all) && (all[count] = waiting_child()) >= 0)
        count++;
    int result = got(count), error = errno;
    for (long i = 0; i < count; i++)
        kill(all[i], SIGKILL);
    while (wait(NULL) > 0)
        ;
    errno = error;
    return result;
}

/* Children that are nobody's any more. */
static int orphans(char **words)
{
    set_most(words);
    int ends[2];
    long count = 0;
    if (pipe2(ends, O_CLOEXEC))
        return -1;
    for (; count < most; count++) {
        char answer = 0;
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0) {
            answer = waiting_child() < 0 ? 'n' : 'y';
            _exit(write(ends[1], &answer, 1) == 1 ? 0 : 1);
        }
        if (waitpid(pid, NULL, 0) < 0 || read(ends[0], &answer, 1) != 1 || answer != 'y')
            break;
    }
    errno = EAGAIN;
    return got(count);
}

static void *sleep_in_thread(void *unused)
{
    sleep(15);
    return unused;
}

static int threads(char **words)
{
    set_most(words);
    long count = 0;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    for (pthread_t thread; count < most; count++) {
        errno = pthread_create(&thread, &attributes, sleep_in_thread, NULL);
        if (errno)
            break;
    }
    return got(count);
}

/* In MiB, all touched. */
static long fill(int fd, long count)
{
    for (long i = 0; i < count; i++) {
        void *at = fd < 0 ? mmap(NULL, MEBIBYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                          : mmap(NULL, MEBIBYTE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)i * MEBIBYTE);
        if (at == MAP_FAILED)
            return i;
        memset(at, 1, MEBIBYTE);
        if (fd >= 0)
            munmap(at, MEBIBYTE);
    }
    return count;
}

static int memory(char **words)
{
    set_most(words);
    return got(fill(-1, most));
}

static int memory_file(char **words)
{
    set_most(words);
    int fd = (int)syscall(SYS_memfd_create, "selftest", 1L);
    return fd < 0 || ftruncate(fd, (off_t)most * MEBIBYTE) ? -1 : got(fill(fd, most));
}

static int shared_memory(char **words)
{
    set_most(words);
    int id = shmget(IPC_PRIVATE, (size_t)most * MEBIBYTE, IPC_CREAT | 0600);
    char *at = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    if (at == (char *)-1)
        return -1;
    for (long i = 0; i < most; i++)
        memset(at + i * MEBIBYTE, 1, MEBIBYTE);
    return got(most);
}

/* Four children that share it fairly. */
static int memory_of_children(char **words)
{
    enum { CHILDREN = 4 };
    int ends[2], status;
    char answer;
    long count = 0;
    set_most(words);
    if (pipe2(ends, O_CLOEXEC))
        return -1;
    pid_t all[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        all[i] = fork();
        if (all[i])
            continue;
        alarm(15);
        if (fill(-1, most / CHILDREN) == most / CHILDREN && write(ends[1], "y", 1) == 1)
            pause();
        _exit(1);
    }
    close(ends[1]);
    while (count < CHILDREN && read(ends[0], &answer, 1) == 1)
        count++;
    for (int i = 0; i < CHILDREN; i++) {
        if (all[i] > 0)
            kill(all[i], SIGKILL);
        waitpid(all[i], &status, 0);
    }
    errno = ENOMEM;
    return got(count == CHILDREN ? most : count * most / CHILDREN);
}

static int bytes_of_file(char **words)
{
    static char zeros[MEBIBYTE];
    char path[128];
    long count = 0;
    most = atol(words[1]);
    snprintf(path, sizeof(path), "%s/selftest-%d", words[0], getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    unlink(path);
    signal(SIGXFSZ, SIG_IGN);
    while (count < most && write(fd, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros))
        count++;
    return got(count);
}

static int files(char **words)
{
    set_most(words);
    char directory[512], path[544];
    long count = 0;
    snprintf(directory, sizeof(directory), "%s/selftest-d-%d", temporary(), getpid());
    if (mkdir(directory, 0700))
        return -1;
    /* What was made is to be removed in time, too. */
    for (time_t end = time(NULL) + FILES_S; count < most && time(NULL) < end; count++) {
        snprintf(path, sizeof(path), "%s/%ld", directory, count);
        if (mknod(path, S_IFREG | 0600, 0))
            break;
    }
    int result = got(count), error = errno;
    while (count-- > 0) {
        snprintf(path, sizeof(path), "%s/%ld", directory, count);
        unlink(path);
    }
    rmdir(directory);
    errno = error;
    return result;
}

/* By whatever makes one at each call. */
static int count_up(int (*make)(long))
{
    long count = 0;
    while (count < most && make(count) >= 0)
        count++;
    return got(count);
}

static int make_descriptor(long unused)
{
    (void)unused;
    return dup(1);
}

static int descriptors_held(char **words)
{
    set_most(words);
    return count_up(make_descriptor);
}

static int make_watcher(long unused)
{
    (void)unused;
    return inotify_init1(IN_CLOEXEC);
}

static int watchers(char **words)
{
    set_most(words);
    return count_up(make_watcher);
}

/* Sent descriptors of sockets that are open nowhere else. */
static int make_flight(long unused)
{
    int pair[2], inner[2];
    (void)unused;
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) ||
        socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, inner))
        return -1;
    char byte = 0, space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &inner[0], sizeof(int));
    int result = (int)sendmsg(pair[0], &message, 0);
    close(inner[0]);
    close(inner[1]);
    return result;
}

static int flights(char **words)
{
    set_most(words);
    return count_up(make_flight);
}

static int locked_memory(char **words)
{
    size_t size = (size_t)atol(words[0]) * MEBIBYTE;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? -1 : mlock(at, size);
}

const struct named QUANTITIES[] = {
    {"processes", processes},
    {"orphans", orphans},
    {"threads", threads},
    {"memory", memory},
    {"memory-file", memory_file},
    {"shared-memory", shared_memory},
    {"memory-of-children", memory_of_children},
    {"bytes", bytes_of_file},
    {"files", files},
    {"descriptors-held", descriptors_held},
    {"watchers", watchers},
    {"flights", flights},
    {"locked", locked_memory},
    {NULL, NULL},
};
