/* The table of streams. Runs in the app, on the thread that owns the reactor. */
#include "addon/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int grow(struct streams *streams)
{
    uint32_t room = streams->room ? streams->room * 2 : 32;
    if (room > STREAM_NONE) {
        errno = EMFILE;
        return -1;
    }
    struct stream *table = realloc(streams->table, room * sizeof(*table));
    if (!table)
        return -1;
    for (uint32_t i = streams->room; i < room; i++)
        table[i] = (struct stream){.fd = -1, .next_free = i + 1 < room ? i + 1 : STREAM_NONE};
    streams->first_free = streams->room;
    streams->table = table;
    streams->room = room;
    return 0;
}

int64_t add_stream(struct streams *streams, int fd)
{
    if ((streams->room == 0 || streams->first_free == STREAM_NONE) && grow(streams))
        return -1;
    uint32_t index = streams->first_free;
    struct stream *stream = &streams->table[index];
    streams->first_free = stream->next_free;
    *stream = (struct stream){.fd = fd, .generation = stream->generation};
    return (int64_t)stream->generation << STREAM_INDEX_BITS | index;
}

struct stream *find_stream(struct streams *streams, int64_t id)
{
    uint32_t index = (uint32_t)(id & STREAM_NONE);
    if (id < 0 || index >= streams->room)
        return NULL;
    struct stream *stream = &streams->table[index];
    return stream->fd >= 0 && stream->generation == (uint32_t)(id >> STREAM_INDEX_BITS) ? stream : NULL;
}

void remove_stream(struct streams *streams, int64_t id)
{
    struct stream *stream = find_stream(streams, id);
    if (!stream)
        return;
    close(stream->fd);
    stream->fd = -1;
    stream->generation++;
    stream->next_free = streams->first_free;
    streams->first_free = (uint32_t)(id & STREAM_NONE);
}

void remove_streams(struct streams *streams)
{
    for (uint32_t i = 0; i < streams->room; i++) {
        if (streams->table[i].fd >= 0)
            close(streams->table[i].fd);
    }
    free(streams->table);
    *streams = (struct streams){0};
}
