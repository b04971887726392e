/* One channel to a spawner and the pipes of its steps, watched by one epoll descriptor inside Node's own loop. */
#ifndef REACTOR_H
#define REACTOR_H

#include "addon/message.h"
#include "addon/streams.h"
#include "addon/uv.h"

enum { READ_SIZE = 256 << 10 };

/* What the owner is told. Each may call back into the reactor, and may close it. */
struct reactor_events {
    void (*message)(void *owner, const uint8_t *data, size_t length);
    void (*data)(void *owner, int64_t stream, const uint8_t *data, size_t length); /* NULL: the end */
    void (*room)(void *owner, int64_t stream);                                     /* of a terminal that was full */
    void (*writable)(void *owner);
    void (*closed)(void *owner);
};

struct reactor {
    const struct reactor_events *events;
    void *owner;
    uv_handle_t *handle;
    int epoll, channel, wake;
    bool dispatching, open;
    struct streams streams;
    int64_t *drains; /* streams to be emptied after this round */
    size_t drain_count, drain_room;
    uint8_t *space; /* READ_SIZE */
};

/* Takes the channel. 0 or minus the errno; on failure nothing is left. */
int open_reactor(struct reactor *reactor, uv_loop_t *loop, int channel, const struct reactor_events *events,
                 void *owner);
/* Closes everything but the handle's memory; `done` is called when that may be freed. */
void close_reactor(struct reactor *reactor, void (*done)(uv_handle_t *handle));

/* As in src/spawner/native.ts. */
int reactor_send(struct reactor *reactor, const uint8_t *data, size_t length, const struct streams_wanted *wanted,
                 int64_t out[STREAMS_LIMIT]);
void reactor_resume(struct reactor *reactor, int64_t stream);
void reactor_pause(struct reactor *reactor, int64_t stream);
void reactor_drain(struct reactor *reactor, int64_t stream);
void reactor_drop(struct reactor *reactor, int64_t stream);
ssize_t reactor_write(struct reactor *reactor, int64_t stream, const uint8_t *data, size_t length);
void reactor_resize(struct reactor *reactor, int64_t stream, uint16_t columns, uint16_t rows);

#endif
