/* The terminals of steps, as the app has them: masters among the streams. Runs in the app. Nothing that holds the other
 * end can make these calls wait: reading and writing do not block, and nobody else has the master. */
#include "addon/terminals.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/packet.h"

/* From the parked step, by our end of a socket: 1; 0 when none will come; -1 when none has come yet. */
static int receive_terminal(int socket, int *master)
{
    uint8_t byte;
    int fd;
    unsigned number;
    if (receive_one(socket, &byte, &fd) < 0 && errno == EAGAIN)
        return -1;
    /* Sent by our own code; and still nothing else shall be taken for one. */
    if (fd >= 0 && !ioctl(fd, TIOCGPTN, &number) && !fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK)) {
        *master = fd;
        return 1;
    }
    close_descriptor(&fd);
    return 0;
}

/* The kernel gives it in pieces of 4 KiB. */
ssize_t read_terminal(int master, uint8_t *data, size_t most)
{
    size_t done = 0;
    while (done < most) {
        ssize_t length = read(master, data + done, most - done);
        if (length <= 0)
            return done > 0 ? (ssize_t)done : length;
        done += (size_t)length;
    }
    return (ssize_t)done;
}

static void resize_terminal(int master, uint16_t columns, uint16_t rows)
{
    struct winsize size = {.ws_col = columns, .ws_row = rows};
    ioctl(master, TIOCSWINSZ, &size);
}

void tell_room(struct reactor *reactor, struct stream *stream, int64_t id)
{
    if (!stream->full)
        return;
    stream->full = false;
    watch_stream(reactor, stream, id);
    reactor->events->room(reactor->owner, id);
}

void expect_terminal(struct reactor *reactor, int64_t id)
{
    struct stream *stream = find_stream(&reactor->streams, id);
    stream->terminal = stream->awaited = true;
    watch_stream(reactor, stream, id);
}

bool await_terminal(struct reactor *reactor, struct stream *stream, int64_t id)
{
    int master = -1;
    int got = receive_terminal(stream->fd, &master);
    if (got < 0)
        return true;
    if (got == 0) {
        end_stream(reactor, id);
        return false;
    }
    stream->awaited = false;
    change_descriptor(reactor, stream, master);
    if (stream->resized)
        resize_terminal(master, stream->columns, stream->rows);
    watch_stream(reactor, stream, id);
    tell_room(reactor, stream, id);
    return true;
}

void hang_up(struct reactor *reactor, struct stream *stream, int64_t id)
{
    stream->hung_up = true;
    watch_stream(reactor, stream, id);
    tell_room(reactor, stream, id);
}

ssize_t reactor_write(struct reactor *reactor, int64_t id, const uint8_t *data, size_t length)
{
    struct stream *stream = find_stream(&reactor->streams, id);
    if (!stream || !stream->terminal || stream->hung_up)
        return -EPIPE;
    ssize_t written;
    errno = EAGAIN;
    do {
        written = stream->awaited ? -1 : write(stream->fd, data, length);
    } while (written < 0 && errno == EINTR);
    int error = written < 0 ? errno : 0;
    if (written >= 0 ? (size_t)written < length : error == EAGAIN) {
        stream->full = true;
        watch_stream(reactor, stream, id);
    }
    return written < 0 ? -error : written;
}

void reactor_resize(struct reactor *reactor, int64_t id, uint16_t columns, uint16_t rows)
{
    struct stream *stream = find_stream(&reactor->streams, id);
    if (!stream || !stream->terminal)
        return;
    stream->resized = true;
    stream->columns = columns;
    stream->rows = rows;
    if (!stream->awaited)
        resize_terminal(stream->fd, columns, rows);
}
