/* Who holds the disks of sandboxes that are over, one process for each maker that has any: whoever is the last to hold
 * a mount waits until all of it is given up, for seconds where a step has seen to that. So neither init, whose end is
 * what the spawner waits for, nor a step is. Runs with the host's privileges, and has nothing open but disks; it ends
 * when the maker has gone and the last disk is given up. */
#include "sandbox/disk.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common/packet.h"

/* init -> disposer, with the mount; maker -> disposer, with the pidfd of init, or none: there will be no sandbox. */
struct notice {
    uint64_t sandbox;
    uint32_t device;
    bool of_maker;
};

struct held {
    struct held *next;
    uint64_t sandbox;
    uint32_t device;
    int mount, life; /* each may come first */
    bool over, seen_ended;
};

struct disposer {
    int socket, settings, epoll;
    struct held *first;
    size_t count;
};

static struct held *find_or_add(struct disposer *disposer, uint64_t sandbox)
{
    struct held *held = disposer->first;
    while (held && held->sandbox != sandbox)
        held = held->next;
    if (held)
        return held;
    held = calloc(1, sizeof(*held));
    if (!held)
        return NULL;
    *held = (struct held){.next = disposer->first, .sandbox = sandbox, .mount = -1, .life = -1};
    disposer->first = held;
    disposer->count++;
    return held;
}

/* 0; 1 when nobody is left who could send; -1 when there is nothing now. */
static int take_notice(struct disposer *disposer)
{
    struct notice notice = {0};
    struct packet packet;
    int got = receive_packet(disposer->socket, &notice, sizeof(notice), &packet, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : 1;
    if (got == 0)
        return 1;
    struct held *held = packet.length == sizeof(notice) ? find_or_add(disposer, notice.sandbox) : NULL;
    int descriptor = packet.descriptor_count > 0 ? take_descriptor(&packet.descriptors[0]) : -1;
    close_packet(&packet);
    if (!held) {
        close_descriptor(&descriptor);
        return 0;
    }
    *(notice.of_maker ? &held->life : &held->mount) = descriptor;
    if (!notice.of_maker) {
        held->device = notice.device;
        return 0;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
    held->over = descriptor < 0 || epoll_ctl(disposer->epoll, EPOLL_CTL_ADD, descriptor, &event);
    return 0;
}

/* What was set for the device would hold for whoever has it next. */
static void reset_settings(const struct disposer *disposer, uint32_t device)
{
    char path[48];
    snprintf(path, sizeof(path), "7:%u/strict_limit", device);
    write_file_at(disposer->settings, path, "0");
    snprintf(path, sizeof(path), "7:%u/max_ratio", device);
    write_file_at(disposer->settings, path, "100");
}

/* Holds no other disk meanwhile, and this one for longer than we do. */
_Noreturn static void wait_in_our_place(const struct disposer *disposer, struct held *held, const int pipe[2])
{
    char unused;
    for (struct held *other = disposer->first; other; other = other->next) {
        if (other != held)
            close_descriptor(&other->mount);
    }
    close(pipe[1]);
    while (read(pipe[0], &unused, 1) < 0 && errno == EINTR) {
    }
    close_descriptor(&held->mount);
    _exit(0);
}

static void give_up(const struct disposer *disposer, struct held *held)
{
    int pair[2] = {-1, -1};
    if (held->mount >= 0 && disposer->settings >= 0)
        reset_settings(disposer, held->device);
    if (held->mount >= 0 && !pipe2(pair, O_CLOEXEC) && fork() == 0)
        wait_in_our_place(disposer, held, pair);
    close_descriptor(&held->mount);
    close_descriptor(&held->life);
    close_descriptor(&pair[0]);
    close_descriptor(&pair[1]); /* only now */
}

/* Whoever has ended has said before what is to be held: that is read next. */
static void see_ended(const struct disposer *disposer)
{
    for (struct held *held = disposer->first; held; held = held->next) {
        struct pollfd life = {.fd = held->life, .events = POLLIN};
        held->seen_ended = held->life >= 0 && poll(&life, 1, 0) > 0;
    }
}

static void give_up_ended(struct disposer *disposer, bool all)
{
    for (struct held **at = &disposer->first; *at;) {
        struct held *held = *at;
        if (!held->seen_ended && !held->over && !(all && held->life < 0)) {
            at = &held->next;
            continue;
        }
        give_up(disposer, held);
        *at = held->next;
        disposer->count--;
        free(held);
    }
}

static int prepare(struct disposer *disposer, int socket, int settings)
{
    enum { SOCKET = 3, SETTINGS, FIRST_FREE };
    struct epoll_event event = {.events = EPOLLIN};
    prctl(PR_SET_NAME, "sandbox-disks");
    signal(SIGCHLD, SIG_IGN);
    /* What the maker has open is told to be closed by its end alone. */
    socket = fcntl(socket, F_DUPFD_CLOEXEC, FIRST_FREE);
    settings = settings < 0 ? -1 : fcntl(settings, F_DUPFD_CLOEXEC, FIRST_FREE);
    if (socket < 0 || dup3(socket, SOCKET, O_CLOEXEC) < 0 || (settings >= 0 && dup3(settings, SETTINGS, O_CLOEXEC) < 0))
        return -1;
    close_range(0, SOCKET - 1, 0);
    close_range(settings < 0 ? SETTINGS : FIRST_FREE, ~0u, 0);
    disposer->socket = SOCKET;
    disposer->settings = settings < 0 ? -1 : SETTINGS;
    disposer->epoll = epoll_create1(EPOLL_CLOEXEC);
    return disposer->epoll < 0 ? -1 : epoll_ctl(disposer->epoll, EPOLL_CTL_ADD, SOCKET, &event);
}

_Noreturn static void dispose(int socket, int settings)
{
    static struct disposer disposer;
    bool is_alone = false;
    if (prepare(&disposer, socket, settings))
        _exit(1);
    while (!is_alone || disposer.count > 0) {
        struct epoll_event event;
        int told = 0;
        epoll_wait(disposer.epoll, &event, 1, -1);
        see_ended(&disposer);
        while (!is_alone && (told = take_notice(&disposer)) == 0) {
        }
        if (told > 0) {
            is_alone = true;
            epoll_ctl(disposer.epoll, EPOLL_CTL_DEL, disposer.socket, NULL);
        }
        give_up_ended(&disposer, is_alone);
    }
    _exit(0);
}

int start_disposer(struct disk *disk)
{
    int pair[2];
    if (packet_pair(pair))
        return -1;
    autoclose int ours = pair[0];
    autoclose int theirs = pair[1];
    pid_t pid = fork();
    if (pid == 0)
        dispose(theirs, disk->settings);
    if (pid < 0)
        return -1;
    disk->disposer = take_descriptor(&ours);
    return 0;
}

int have_held(const struct disk *disk, unsigned device, int mount)
{
    struct notice notice = {.sandbox = disk->sandbox, .device = device};
    struct iovec part = {&notice, sizeof(notice)};
    return send_packet(disk->disposer, &part, 1, &mount, 1, 0);
}

void have_given_up(const struct disk *disk, int life)
{
    struct notice notice = {.sandbox = disk->sandbox, .of_maker = true};
    struct iovec part = {&notice, sizeof(notice)};
    /* Whoever has no pidfd gives it up with the maker at the latest. */
    send_packet(disk->disposer, &part, 1, &life, life < 0 ? 0 : 1, 0);
}
