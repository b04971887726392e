/* The app's end of the conversation: requests in, replies out. Runs in the spawner.
 * The app is trusted to mean well, not to be free of mistakes: what cannot be understood ends the connection, and with
 * it everything. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum {
    AT_ONCE = 64,            /* packets before others get their turn */
    DESCRIPTOR_RESERVE = 48, /* for two sandboxes and one message */
};

static void set_interest(struct spawner *spawner, uint32_t wanted)
{
    uint32_t events = (wanted & EPOLLOUT) | (spawner->deaf ? 0 : (uint32_t)EPOLLIN);
    struct epoll_event event = {.events = events, .data.ptr = &spawner->app};
    epoll_ctl(spawner->epoll, EPOLL_CTL_MOD, spawner->app.fd, &event);
}

/* One descriptor is kept back for the memfd of a long message, the first that comes with it: without it nobody would
 * know whom to tell that the others found no room. */
static bool keep_reserve(struct spawner *spawner)
{
    if (spawner->reserve < 0)
        spawner->reserve = eventfd(0, EFD_CLOEXEC);
    return spawner->reserve >= 0;
}

static bool has_no_room(struct spawner *spawner)
{
    return !keep_reserve(spawner) || is_short_of_descriptors(spawner, MESSAGE_DESCRIPTORS + spawner->most_further);
}

/* Also after what is kept for nobody has given way. Where no sandbox is left whose end could bring room, each message
 * is answered for itself. */
static bool waits_for_room(struct spawner *spawner)
{
    if (!has_no_room(spawner))
        return false;
    give_way(spawner);
    return has_no_room(spawner) && can_room_come(spawner);
}

/* Whether the next message needs none: it may be the one that ends what takes it all. */
static bool is_plain(int socket)
{
    static uint8_t data[PACKET_LIMIT + 1];
    struct bytes body;
    ssize_t length = recv(socket, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
    if (length <= 0)
        return true; /* no message, or the end */
    enum request_kind kind = read_request((struct bytes){data, (size_t)length}, &body);
    return kind == REQUEST_KILL || kind == REQUEST_FORGET || kind == REQUEST_LOOK || kind == REQUEST_FREEZE;
}

void listen_again(struct spawner *spawner)
{
    if (!spawner->deaf || waits_for_room(spawner))
        return;
    spawner->deaf = false;
    set_interest(spawner, EPOLLIN | (spawner->replies_first ? EPOLLOUT : 0));
}

static void queue_reply(struct spawner *spawner, const struct writer *writer)
{
    struct reply *reply = malloc(sizeof(*reply) + writer->used);
    if (!reply) {
        spawner->ending = true; /* an answer that cannot be given would be waited for for ever */
        return;
    }
    reply->next = NULL;
    reply->length = writer->used;
    memcpy(reply->data, writer->start, writer->used);
    if (spawner->replies_last)
        spawner->replies_last->next = reply;
    else
        spawner->replies_first = reply;
    spawner->replies_last = reply;
    set_interest(spawner, EPOLLIN | EPOLLOUT);
}

void tell_app(struct spawner *spawner, const struct writer *writer)
{
    struct iovec part = {writer->start, writer->used};
    if (writer->failed) {
        spawner->ending = true;
        return;
    }
    if (!spawner->replies_first && !send_packet(spawner->app.fd, &part, 1, NULL, 0, MSG_DONTWAIT))
        return;
    if (spawner->replies_first || errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
        queue_reply(spawner, writer);
    else
        spawner->ending = true;
}

void tell_failed(struct spawner *spawner, uint64_t step_id, const struct failure *failure)
{
    uint8_t space[512];
    struct writer writer = {.start = space, .size = sizeof(space)};
    write_failed(&writer, step_id, failure);
    tell_app(spawner, &writer);
}

static void flush_replies(struct spawner *spawner)
{
    for (struct reply *reply; (reply = spawner->replies_first);) {
        struct iovec part = {reply->data, reply->length};
        if (send_packet(spawner->app.fd, &part, 1, NULL, 0, MSG_DONTWAIT)) {
            spawner->ending |= errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM;
            return;
        }
        spawner->replies_first = reply->next;
        if (!reply->next)
            spawner->replies_last = NULL;
        free(reply);
    }
    set_interest(spawner, EPOLLIN);
}

static void answer_configure(struct spawner *spawner, struct bytes body)
{
    struct failure failure = {0};
    if (configure_spawner(spawner, body, &failure)) {
        tell_failed(spawner, 0, &failure);
        /* The app closes when it has read that. Closing here would make it see a broken pipe first, whatever it sends
         * meanwhile. */
        spawner->refused = true;
        return;
    }
    struct ready ready = {.privileged = spawner->privileged,
                          .leases_identity = spawner->leases,
                          .cgroup_version = spawner->cgroups.version,
                          .cgroup_controllers = spawner->cgroups.controllers,
                          .pid = (uint32_t)getpid()};
    memcpy(ready.cgroup_reason, spawner->cgroups.reason, sizeof(ready.cgroup_reason));
    uint8_t space[512];
    struct writer writer = {.start = space, .size = sizeof(space)};
    write_ready(&writer, &ready);
    tell_app(spawner, &writer);
}

static void serve_request(struct spawner *spawner, struct bytes message, struct packet *packet, int memory_file)
{
    struct bytes body;
    uint32_t id;
    enum request_kind kind = read_request(message, &body);
    if (spawner->refused)
        return;
    if (!spawner->configured && kind != REQUEST_CONFIGURE && kind != REQUEST_PROBE)
        kind = REQUEST_NONE;
    switch (kind) {
    case REQUEST_CONFIGURE:
        answer_configure(spawner, body);
        break;
    case REQUEST_DEFINE:
        define_policy(spawner, body);
        break;
    case REQUEST_START:
        start_step(spawner, message, body, packet, memory_file);
        break;
    case REQUEST_KILL:
        kill_step(spawner, body);
        break;
    case REQUEST_PROBE:
        probe(spawner, body);
        break;
    case REQUEST_FORGET:
        if (!read_id(body, &id))
            forget_policy(spawner, id);
        break;
    case REQUEST_LOOK:
        look_at_session(spawner, body);
        break;
    case REQUEST_FREEZE:
        freeze_session(spawner, body);
        break;
    case REQUEST_NONE: {
        struct failure failure = {.stage = STAGE_PROTOCOL, .error = EPROTO};
        tell_failed(spawner, 0, &failure);
        spawner->ending = true;
    }
    }
}

/* A long message comes as a memfd. It must be sealed, or it could change between our reading it and the step's. */
static void serve_memory_file(struct spawner *spawner, struct packet *packet)
{
    struct failure failure = {.stage = STAGE_PROTOCOL, .error = EPROTO};
    struct stat status;
    int fd = packet->descriptor_count > 0 ? packet->descriptors[0] : -1;
    int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & needed) != needed || fstat(fd, &status) || status.st_size <= 0 ||
        status.st_size > MESSAGE_LIMIT) {
        tell_failed(spawner, 0, &failure);
        spawner->ending = true;
        return;
    }
    size_t length = (size_t)status.st_size;
    void *memory = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED) {
        spawner->ending = true;
        return;
    }
    serve_request(spawner, (struct bytes){memory, length}, packet, fd);
    munmap(memory, length);
}

void app_ready(struct spawner *spawner, struct watch *watch, uint32_t events)
{
    static uint8_t data[PACKET_LIMIT + 1];
    /* Its end is told whether or not it is listened to, again and again; what it sent before is of no account then. */
    if ((events & (EPOLLHUP | EPOLLERR)) && spawner->deaf) {
        spawner->ending = true;
        return;
    }
    if (events & EPOLLOUT)
        flush_replies(spawner);
    for (int i = 0; i < AT_ONCE && !spawner->ending; i++) {
        struct packet packet;
        if (waits_for_room(spawner) && !is_plain(watch->fd)) {
            spawner->deaf = true; /* until a sandbox has ended */
            set_interest(spawner, spawner->replies_first ? EPOLLOUT : 0);
            return;
        }
        if (is_short_of_descriptors(spawner, PACKET_DESCRIPTORS))
            close_descriptor(&spawner->reserve);
        int got = receive_packet(watch->fd, data, sizeof(data), &packet, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0 || packet.length > PACKET_LIMIT) {
            close_packet(&packet);
            spawner->ending = true;
            return;
        }
        if (packet.length == 1 && data[0] == 0)
            serve_memory_file(spawner, &packet);
        else
            serve_request(spawner, (struct bytes){data, packet.length}, &packet, -1);
        close_packet(&packet);
    }
}
