/* Whom one can talk to, signal, or find: each answers what it was told, so that nothing else is taken for the bait. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "selftest/prober.h"

enum { PATIENCE_S = 2 };

extern char **environ;

static int hear(int fd)
{
    char heard[64] = "";
    struct timeval patience = {PATIENCE_S, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ssize_t got = recv(fd, heard, sizeof(heard) - 1, 0);
    if (got > 0)
        return tell("%s", heard);
    if (got == 0)
        errno = ECONNRESET;
    return -1;
}

static int connect_and_hear(int fd, const void *address, socklen_t length)
{
    struct timeval patience = {PATIENCE_S, 0};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)))
        return -1;
    if (connect(fd, address, length) || send(fd, "?", 1, MSG_NOSIGNAL) != 1)
        return -1;
    return hear(fd);
}

static int to_unix(const char *name, bool is_abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address.sun_path + is_abstract, name, length < 100 ? length : 100);
    return connect_and_hear(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &address,
                            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + is_abstract + length));
}

static int abstract_socket(char **words)
{
    return to_unix(words[0], true);
}

static int socket_of_path(char **words)
{
    return to_unix(words[0], false);
}

static int to_internet(int type, char **words)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    struct sockaddr_in6 newer = {.sin6_family = AF_INET6, .sin6_port = address.sin_port};
    if (inet_pton(AF_INET, words[0], &address.sin_addr) == 1)
        return connect_and_hear(socket(AF_INET, type | SOCK_CLOEXEC, 0), &address, sizeof(address));
    inet_pton(AF_INET6, words[0], &newer.sin6_addr);
    return connect_and_hear(socket(AF_INET6, type | SOCK_CLOEXEC, 0), &newer, sizeof(newer));
}

static int tcp(char **words)
{
    return to_internet(SOCK_STREAM, words);
}

static int udp(char **words)
{
    return to_internet(SOCK_DGRAM, words);
}

static int shared_memory(char **words)
{
    int id = shmget((key_t)atoi(words[0]), 0, 0);
    const char *at = id < 0 ? (const char *)-1 : shmat(id, NULL, SHM_RDONLY);
    return at == (const char *)-1 ? -1 : tell("%.60s", at);
}

static int semaphore(char **words)
{
    return done(semget((key_t)atoi(words[0]), 0, 0));
}

static int messages(char **words)
{
    struct {
        long type;
        char text[64];
    } message = {0, ""};
    int id = msgget((key_t)atoi(words[0]), 0);
    if (id < 0 || msgrcv(id, &message, sizeof(message.text), 0, IPC_NOWAIT | MSG_COPY) < 0)
        return -1;
    return tell("%.60s", message.text);
}

/* IPC_STAT by index needs no key: what is there is counted. */
static int any_of_sysv(char **words)
{
    (void)words;
    struct shminfo info;
    struct shmid_ds status;
    int count = 0, most = shmctl(0, IPC_INFO, (struct shmid_ds *)(void *)&info);
    for (int i = 0; i <= most; i++)
        count += shmctl(i, SHM_STAT, &status) >= 0;
    errno = ENODATA;
    return count ? tell("%d", count) : -1;
}

static int posix_queue(char **words)
{
    return done(mq_open(words[0], O_RDONLY | O_NONBLOCK));
}

static int key_of_session(char **words)
{
    char text[64] = "";
    long key = syscall(SYS_keyctl, 10L /* KEYCTL_SEARCH */, -3L, "user", words[0], 0L);
    if (key < 0)
        key = syscall(SYS_keyctl, 10L, -4L, "user", words[0], 0L);
    if (key < 0 || syscall(SYS_keyctl, 11L /* KEYCTL_READ */, key, text, sizeof(text) - 1) < 0)
        return -1;
    return tell("%s", text);
}

static int request_key(char **words)
{
    return done(syscall(SYS_request_key, "user", words[0], NULL, 0L));
}

static int send_signal(char **words)
{
    return kill(atoi(words[0]), SIGUSR1);
}

static int queue_signal(char **words)
{
    return sigqueue(atoi(words[0]), SIGUSR1, (union sigval){.sival_int = 1});
}

static bool contains(const char *bytes, size_t size, const char *wanted)
{
    return memmem(bytes, size, wanted, strlen(wanted)) != NULL;
}

/* A file of any process that is seen, which holds the token. */
static int seek_in_processes(const char *file, const char *token)
{
    static char bytes[1 << 16];
    char path[300];
    DIR *all = opendir("/proc");
    errno = ENODATA;
    for (const struct dirent *entry; all && (entry = readdir(all));) {
        int self = atoi(entry->d_name) == getpid();
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || self)
            continue;
        snprintf(path, sizeof(path), "/proc/%s/%s", entry->d_name, file);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
        if (fd >= 0)
            close(fd);
        if (got > 0 && contains(bytes, (size_t)got, token))
            return tell("%s", path);
        errno = ENODATA;
    }
    return -1;
}

static int find_process(char **words)
{
    return seek_in_processes("cmdline", words[0]);
}

/* The launcher's is often left to what it has started. */
static int find_environment(char **words)
{
    return seek_in_processes("environ", words[0]);
}

static int own_environment(char **words)
{
    errno = ENODATA;
    for (char **entry = environ; *entry; entry++) {
        if (strstr(*entry, words[0]))
            return tell("%.*s", (int)strcspn(*entry, "="), *entry);
    }
    return -1;
}

/* Everything from 3 on that is open and that we have not opened. */
static int descriptors(char **words)
{
    (void)words;
    int count = 0;
    for (int fd = 3; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    errno = EBADF;
    return count ? tell("%d", count) : -1;
}

static int below_descriptor(char **words)
{
    char text[128] = "";
    for (int fd = 3; fd < 64; fd++) {
        int file = openat(fd, words[0], O_RDONLY | O_CLOEXEC);
        if (file >= 0 && read(file, text, sizeof(text) - 1) > 0)
            return tell("%d %s", fd, text);
    }
    errno = EBADF;
    return -1;
}

/* Interfaces of the machine, beyond loopback. */
static int interfaces(char **words)
{
    (void)words;
    struct if_nameindex *all = if_nameindex();
    size_t count = 0;
    for (const struct if_nameindex *at = all; at && at->if_index; at++)
        count += strcmp(at->if_name, "lo") != 0;
    if (all)
        if_freenameindex(all);
    errno = ENODEV;
    return count ? tell("%zu", count) : -1;
}

/* Another process's, by the ways that know no files. */
static int memory_of(char **words)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/mem", words[0]);
    return done(open(path, O_RDONLY | O_CLOEXEC));
}

static int root_of(char **words)
{
    char path[300];
    snprintf(path, sizeof(path), "/proc/%s/root%s", words[0], words[1]);
    return done(open(path, O_RDONLY | O_CLOEXEC));
}

const struct named EXCHANGES[] = {
    {"abstract", abstract_socket},
    {"unix", socket_of_path},
    {"tcp", tcp},
    {"udp", udp},
    {"shm", shared_memory},
    {"sem", semaphore},
    {"msg", messages},
    {"sysv-any", any_of_sysv},
    {"mq", posix_queue},
    {"key", key_of_session},
    {"request-key", request_key},
    {"signal", send_signal},
    {"queue-signal", queue_signal},
    {"process", find_process},
    {"environment-of", find_environment},
    {"environment", own_environment},
    {"descriptors", descriptors},
    {"below-descriptor", below_descriptor},
    {"interfaces", interfaces},
    {"memory-of", memory_of},
    {"root-of", root_of},
    {NULL, NULL},
};
