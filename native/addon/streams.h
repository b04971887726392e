/* The read ends of the steps' pipes, and the masters of their terminals: a table of numbered streams. */
#ifndef STREAMS_H
#define STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream {
    int fd;              /* -1: free */
    uint32_t generation; /* so that an old id never names a new stream */
    bool watched;        /* its data is wanted */
    uint32_t events;     /* in epoll for these; 0: not in it */
    bool draining;       /* its step has ended: what is in the pipe by then is all */
    size_t left;         /* of that */
    bool large;          /* its pipe has been enlarged */
    bool terminal;       /* a master, or, while it is awaited, the socket by which it comes */
    bool awaited;
    bool hung_up;           /* nobody has the other end open; somebody may open it again */
    bool full;              /* the owner waits until it takes more */
    bool resized;           /* while it was awaited */
    uint16_t columns, rows; /* to these */
    uint32_t next_free;
};

struct streams {
    struct stream *table;
    uint32_t room, first_free;
};

enum { STREAM_INDEX_BITS = 20, STREAM_NONE = (1 << STREAM_INDEX_BITS) - 1 };

/* A new id, or -1 (errno). Takes the descriptor. */
int64_t add_stream(struct streams *streams, int fd);
/* NULL when the id names none (any more). */
struct stream *find_stream(struct streams *streams, int64_t id);
void remove_stream(struct streams *streams, int64_t id); /* closes */
void remove_streams(struct streams *streams);

#endif
