/* `prober bait TOKEN DIRECTORY PORT KEY`: everything that one might find or talk to, each with the token as its answer.
 * It stands on the host, or in one sandbox while another one is looked out of. Prints `ready PID PORT NAMES`, where the
 * names are of what could be laid, then `event NAME` for whoever came; ends with its stdin. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "selftest/prober.h"

enum { STDIN, SIGNALS, ABSTRACT, PATH, TCP, UDP, TCP6, SOURCES };

static const char *token, *directory;
static key_t key;
static char names[256];
static long added_key;

static void laid(const char *name)
{
    size_t length = strlen(names);
    snprintf(names + length, sizeof(names) - length, " %s", name);
}

static int listen_at(const char *name, bool is_abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address.sun_path + is_abstract, name, length < 100 ? length : 100);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + is_abstract + length);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 8)) {
        close(fd);
        return -1;
    }
    if (!is_abstract)
        chmod(name, 0777);
    laid(is_abstract ? "abstract" : "unix");
    return fd;
}

static int listen_at_port(int type, uint16_t *port, const char *name)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || (type == SOCK_STREAM && listen(fd, 8)) ||
        getsockname(fd, (struct sockaddr *)&address, &length)) {
        close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    laid(name);
    return fd;
}

static int listen_at_port6(uint16_t port)
{
    struct sockaddr_in6 address = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8)) {
        close(fd);
        return -1;
    }
    laid("tcp6");
    return fd;
}

static void lay_sysv(void)
{
    struct {
        long type;
        char text[64];
    } message = {.type = 1};
    char *at;
    int id = shmget(key, 4096, IPC_CREAT | 0666);
    if (id >= 0 && (at = shmat(id, NULL, 0)) != (char *)-1) {
        snprintf(at, 64, "%s", token);
        shmdt(at);
        laid("shm");
    }
    if (semget(key, 1, IPC_CREAT | 0666) >= 0)
        laid("sem");
    id = msgget(key, IPC_CREAT | 0666);
    snprintf(message.text, sizeof(message.text), "%s", token);
    if (id >= 0 && !msgsnd(id, &message, strlen(message.text) + 1, IPC_NOWAIT))
        laid("msg");
}

static void take_sysv_away(void)
{
    shmctl(shmget(key, 0, 0), IPC_RMID, NULL);
    semctl(semget(key, 0, 0), 0, IPC_RMID);
    msgctl(msgget(key, 0), IPC_RMID, NULL);
}

static void write_token(const char *path, const char *name)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    if (write(fd, token, strlen(token)) > 0)
        laid(name);
    close(fd);
    chmod(path, 0644);
}

static void lay_named(char *queue, char *shared, char *file)
{
    snprintf(queue, 64, "/%s", token);
    snprintf(shared, 64, "/dev/shm/%s", token);
    snprintf(file, 64, "/tmp/%s", token);
    mode_t mask = umask(0);
    if (mq_open(queue, O_RDWR | O_CREAT | O_CLOEXEC, 0666, NULL) != (mqd_t)-1)
        laid("mq");
    umask(mask);
    write_token(shared, "dev-shm");
    write_token(file, "tmp");
    /* The user's: a process that has no session keyring would get one for itself alone. */
    added_key = syscall(SYS_add_key, "user", token, token, strlen(token), -4L);
    if (added_key >= 0)
        laid("key");
}

static void event(const char *name)
{
    printf("event %s\n", name);
    fflush(stdout);
}

static void answer_stream(int listener, const char *name)
{
    char asked;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct timeval patience = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (recv(fd, &asked, 1, 0) == 1) {
        event(name);
        send(fd, token, strlen(token), MSG_NOSIGNAL);
    }
    close(fd);
}

static void answer_datagram(int fd)
{
    char asked[16];
    struct sockaddr_storage from;
    socklen_t length = sizeof(from);
    if (recvfrom(fd, asked, sizeof(asked), 0, (struct sockaddr *)&from, &length) < 0)
        return;
    event("udp");
    sendto(fd, token, strlen(token), MSG_NOSIGNAL, (struct sockaddr *)&from, length);
}

/* Whether it is to end. */
static bool answer_signal(int fd)
{
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof(info)) != sizeof(info))
        return false;
    if (info.ssi_signo != SIGUSR1)
        return true;
    event("signal");
    return false;
}

static void serve(struct pollfd *sources)
{
    static const char *const NAMES[SOURCES] = {
        [ABSTRACT] = "abstract", [PATH] = "unix", [TCP] = "tcp", [TCP6] = "tcp6"};
    while (poll(sources, SOURCES, -1) >= 0) {
        for (int i = SIGNALS; i < SOURCES; i++) {
            if (!sources[i].revents)
                continue;
            if (i == SIGNALS && answer_signal(sources[i].fd))
                return;
            if (i == SIGNALS)
                continue;
            if (i == UDP)
                answer_datagram(sources[i].fd);
            else
                answer_stream(sources[i].fd, NAMES[i]);
        }
        char ended;
        if (sources[STDIN].revents && read(0, &ended, 1) <= 0)
            return;
    }
}

int lay_bait(char **arguments)
{
    char path[256], queue[64], shared[64], file[64];
    sigset_t signals;
    uint16_t port = (uint16_t)atoi(arguments[2]);
    token = arguments[0];
    directory = arguments[1];
    key = (key_t)atoi(arguments[3]);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    snprintf(path, sizeof(path), "%s/%s.socket", directory, token);
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGTERM); /* also when its parent has ended: what it has laid belongs to nobody then */
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    struct pollfd sources[SOURCES] = {
        [STDIN] = {0, POLLIN, 0},
        [SIGNALS] = {signalfd(-1, &signals, SFD_CLOEXEC), POLLIN, 0},
        [ABSTRACT] = {listen_at(token, true), POLLIN, 0},
        [PATH] = {listen_at(path, false), POLLIN, 0},
        [TCP] = {listen_at_port(SOCK_STREAM, &port, "tcp"), POLLIN, 0},
        [UDP] = {listen_at_port(SOCK_DGRAM, &port, "udp"), POLLIN, 0},
        [TCP6] = {listen_at_port6(port), POLLIN, 0},
    };
    lay_sysv();
    lay_named(queue, shared, file);
    printf("ready %d %u%s\n", getpid(), port, names);
    fflush(stdout);
    serve(sources);
    take_sysv_away();
    mq_unlink(queue);
    syscall(SYS_keyctl, 9L /* KEYCTL_UNLINK */, added_key, -4L);
    unlink(shared);
    unlink(file);
    unlink(path);
    return 0;
}
