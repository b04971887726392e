/* The descriptors of one thread's steps. Runs in the app; nothing here blocks, and nothing that a step can do makes it
 * wait. A pipe is watched only while somebody wants its data: a hung-up pipe that nobody reads would wake the loop for
 * ever. */
#include "addon/reactor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addon/terminals.h"
#include "common/control.h"
#include "common/packet.h"

enum {
    CHANNEL = -1, /* epoll data that are no stream ids */
    WAKE = -2,
    EVENTS = 64,
    PIPE_SIZE = 1 << 20,        /* for pipes that were found full: fewer, larger reads */
    TERMINAL_HOLDS = 256 << 10, /* more than the kernel keeps of a terminal's output */
};

static int watch(const struct reactor *reactor, int operation, int fd, uint32_t events, int64_t id)
{
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)id};
    return epoll_ctl(reactor->epoll, operation, fd, &event);
}

void watch_stream(struct reactor *reactor, struct stream *stream, int64_t id)
{
    uint32_t events = (stream->watched || stream->awaited ? (uint32_t)EPOLLIN : 0) |
                      (stream->full && !stream->awaited ? (uint32_t)EPOLLOUT : 0);
    /* One that is hung up would be reported for ever; what is opened again is a change. */
    if (events && stream->hung_up)
        events |= (uint32_t)EPOLLET;
    if (events == stream->events)
        return;
    int operation = !stream->events ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
    watch(reactor, operation, stream->fd, events, id);
    /* Also when the system refuses (a user's watches are counted): then it is read once the step has ended. */
    stream->events = events;
}

/* What is open elsewhere, too, would stay watched. */
void change_descriptor(const struct reactor *reactor, struct stream *stream, int descriptor)
{
    watch(reactor, EPOLL_CTL_DEL, stream->fd, 0, 0);
    close(stream->fd);
    stream->fd = descriptor;
    stream->events = 0;
}

static void set_watched(struct reactor *reactor, struct stream *stream, int64_t id, bool wanted)
{
    stream->watched = wanted;
    watch_stream(reactor, stream, id);
}

static void forget_stream(struct reactor *reactor, struct stream *stream, int64_t id)
{
    stream->watched = stream->awaited = stream->full = false;
    watch_stream(reactor, stream, id);
    remove_stream(&reactor->streams, id);
}

void end_stream(struct reactor *reactor, int64_t id)
{
    forget_stream(reactor, find_stream(&reactor->streams, id), id);
    reactor->events->data(reactor->owner, id, NULL, 0);
}

/* One read. Whether there may be more, and the stream still wants it. */
static bool read_once(struct reactor *reactor, int64_t id)
{
    struct stream *stream = find_stream(&reactor->streams, id);
    if (!stream || !stream->watched)
        return false;
    bool all = stream->draining && stream->left == 0;
    size_t most = stream->draining && stream->left < READ_SIZE ? stream->left : READ_SIZE;
    ssize_t length = all                ? 0
                     : stream->terminal ? read_terminal(stream->fd, reactor->space, most)
                                        : read(stream->fd, reactor->space, most);
    if (length < 0 && errno == EINTR)
        return true;
    if (length < 0 && errno == EIO && stream->terminal && !stream->draining) {
        hang_up(reactor, stream, id);
        return false;
    }
    if (length < 0 && errno == EAGAIN && !stream->draining)
        return false;
    if (length <= 0) {
        end_stream(reactor, id);
        return false;
    }
    if (stream->draining)
        stream->left -= (size_t)length;
    if (stream->hung_up) {
        stream->hung_up = false;
        watch_stream(reactor, stream, id);
    }
    if (length >= 65536 && !stream->large && !stream->terminal) {
        stream->large = true;
        fcntl(stream->fd, F_SETPIPE_SZ, PIPE_SIZE); /* refused beyond the user's share: then it stays as it is */
    }
    reactor->events->data(reactor->owner, id, reactor->space, (size_t)length);
    return reactor->open;
}

static void read_stream(struct reactor *reactor, int64_t id, bool hung_up)
{
    while (read_once(reactor, id) && hung_up) {
    }
}

static void serve_stream(struct reactor *reactor, int64_t id, uint32_t events)
{
    struct stream *stream = find_stream(&reactor->streams, id);
    if (stream && stream->awaited) {
        await_terminal(reactor, stream, id);
        return;
    }
    if (stream && stream->terminal && (events & EPOLLHUP) && !stream->watched)
        hang_up(reactor, stream, id);
    else if (stream && (events & EPOLLOUT))
        tell_room(reactor, stream, id);
    if (reactor->open)
        read_stream(reactor, id, (events & EPOLLHUP) != 0);
}

static void run_drains(struct reactor *reactor)
{
    for (size_t i = 0; i < reactor->drain_count && reactor->open; i++) {
        struct stream *stream = find_stream(&reactor->streams, reactor->drains[i]);
        /* Its step has ended: it has come by now, or never will. */
        if (stream && stream->awaited && await_terminal(reactor, stream, reactor->drains[i]) && reactor->open &&
            (stream = find_stream(&reactor->streams, reactor->drains[i])) && stream->awaited)
            end_stream(reactor, reactor->drains[i]);
        if (reactor->open)
            read_stream(reactor, reactor->drains[i], true);
    }
    reactor->drain_count = 0;
}

static void close_channel(struct reactor *reactor)
{
    if (reactor->channel < 0)
        return;
    watch(reactor, EPOLL_CTL_DEL, reactor->channel, 0, CHANNEL);
    close(reactor->channel);
    reactor->channel = -1;
}

static void read_channel(struct reactor *reactor, uint32_t events)
{
    if (events & EPOLLOUT) {
        watch(reactor, EPOLL_CTL_MOD, reactor->channel, EPOLLIN, CHANNEL);
        reactor->events->writable(reactor->owner);
    }
    for (int i = 0; i < EVENTS && reactor->open && reactor->channel >= 0; i++) {
        struct packet packet;
        int got = receive_packet(reactor->channel, reactor->space, READ_SIZE, &packet, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        close_packet(&packet); /* the spawner sends none */
        if (got <= 0) {
            close_channel(reactor);
            reactor->events->closed(reactor->owner);
            return;
        }
        reactor->events->message(reactor->owner, reactor->space, packet.length);
    }
}

static void dispatch(uv_handle_t *handle, int status, int unused)
{
    struct reactor *reactor = handle->data;
    struct epoll_event events[EVENTS];
    uint64_t count;
    (void)status;
    (void)unused;
    reactor->dispatching = true;
    int ready = epoll_wait(reactor->epoll, events, EVENTS, 0);
    for (int i = 0; i < ready && reactor->open; i++) {
        int64_t id = (int64_t)events[i].data.u64;
        if (id == CHANNEL)
            read_channel(reactor, events[i].events);
        else if (id == WAKE)
            (void)!read(reactor->wake, &count, sizeof(count));
        else
            serve_stream(reactor, id, events[i].events);
    }
    run_drains(reactor);
    reactor->dispatching = false;
}

int open_reactor(struct reactor *reactor, uv_loop_t *loop, int channel, const struct reactor_events *events,
                 void *owner)
{
    *reactor = (struct reactor){.events = events, .owner = owner, .channel = channel, .open = true};
    reactor->epoll = epoll_create1(EPOLL_CLOEXEC);
    reactor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    reactor->space = malloc(READ_SIZE);
    reactor->handle = calloc(1, uv_handle_size(UV_POLL_TYPE));
    bool ok = reactor->epoll >= 0 && reactor->wake >= 0 && reactor->space && reactor->handle &&
              !watch(reactor, EPOLL_CTL_ADD, channel, EPOLLIN, CHANNEL) &&
              !watch(reactor, EPOLL_CTL_ADD, reactor->wake, EPOLLIN, WAKE);
    if (ok) {
        int failed = uv_poll_init(loop, reactor->handle, reactor->epoll);
        if (!failed) {
            reactor->handle->data = reactor;
            uv_unref(reactor->handle);
            return uv_poll_start(reactor->handle, UV_READABLE_EVENT, dispatch);
        }
        errno = -failed;
    }
    int error = errno;
    close(reactor->epoll);
    close(reactor->wake);
    close(channel);
    free(reactor->space);
    free(reactor->handle);
    return -error;
}

void close_reactor(struct reactor *reactor, void (*done)(uv_handle_t *handle))
{
    reactor->open = false;
    uv_poll_stop(reactor->handle);
    close_channel(reactor);
    remove_streams(&reactor->streams);
    close(reactor->wake);
    close(reactor->epoll);
    free(reactor->drains);
    reactor->drains = NULL;
    reactor->drain_count = reactor->drain_room = 0;
    uv_close(reactor->handle, done);
}

/* A stream that finds no place is -1: the step will find its pipe broken. */
static void keep_near(struct reactor *reactor, int near[STREAMS_LIMIT], int64_t out[STREAMS_LIMIT])
{
    out[0] = near[0];
    for (size_t i = 1; i < STREAMS_LIMIT; i++) {
        out[i] = near[i] < 0 ? -1 : add_stream(&reactor->streams, near[i]);
        if (out[i] < 0)
            close_descriptor(&near[i]);
    }
}

int reactor_send(struct reactor *reactor, const uint8_t *data, size_t length, const struct streams_wanted *wanted,
                 int64_t out[STREAMS_LIMIT])
{
    int near[STREAMS_LIMIT];
    if (!send_message(reactor->channel, data, length, wanted, near)) {
        keep_near(reactor, near, out);
        if (wanted->terminal && out[1] >= 0)
            expect_terminal(reactor, out[1]);
        return 0;
    }
    int error = errno;
    if (reactor->channel >= 0 && (error == EAGAIN || error == ETOOMANYREFS))
        watch(reactor, EPOLL_CTL_MOD, reactor->channel, EPOLLIN | EPOLLOUT, CHANNEL);
    return -error;
}

void reactor_resume(struct reactor *reactor, int64_t id)
{
    struct stream *stream = find_stream(&reactor->streams, id);
    if (!stream)
        return;
    set_watched(reactor, stream, id, true);
    if (stream->draining)
        reactor_drain(reactor, id);
}

void reactor_pause(struct reactor *reactor, int64_t id)
{
    struct stream *stream = find_stream(&reactor->streams, id);
    if (stream)
        set_watched(reactor, stream, id, false);
}

/* Another command of the same sandbox may hold the pipe, and write for as long as somebody reads. */
static void bound_drain(struct stream *stream)
{
    int held = 0;
    if (stream->draining)
        return;
    stream->draining = true;
    stream->left = TERMINAL_HOLDS;
    if (stream->terminal)
        return;
    stream->left = ioctl(stream->fd, FIONREAD, &held) || held < 0 ? 0 : (size_t)held;
}

void reactor_drain(struct reactor *reactor, int64_t id)
{
    struct stream *stream = find_stream(&reactor->streams, id);
    if (!stream)
        return;
    bound_drain(stream);
    if (reactor->drain_count == reactor->drain_room) {
        size_t room = reactor->drain_room ? reactor->drain_room * 2 : 16;
        int64_t *drains = realloc(reactor->drains, room * sizeof(*drains));
        if (!drains)
            return;
        reactor->drains = drains;
        reactor->drain_room = room;
    }
    reactor->drains[reactor->drain_count++] = id;
    uint64_t one = 1;
    if (!reactor->dispatching)
        (void)!write(reactor->wake, &one, sizeof(one));
}

void reactor_drop(struct reactor *reactor, int64_t id)
{
    struct stream *stream = find_stream(&reactor->streams, id);
    if (stream)
        forget_stream(reactor, stream, id);
}
