/* A message to the spawner with the pipes of a step. Runs in the app, and never waits. */
#include "addon/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/packet.h"

/* The packet itself, or the mark that the message is in a sealed memfd. */
static int memory_file(const uint8_t *data, size_t length)
{
    int fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    for (size_t done = 0; fd >= 0 && done < length;) {
        ssize_t n = write(fd, data + done, length - done);
        if (n <= 0) {
            close_descriptor(&fd);
            return -1;
        }
        done += (size_t)n;
    }
    if (fd >= 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        close_descriptor(&fd);
    return fd;
}

/* Of one message: near[i] is ours, far what goes, and owned what of it is ours to close then. */
struct ends {
    int *near, far[STREAMS_LIMIT], owned[STREAMS_LIMIT];
    size_t far_count, owned_count;
};

/* stdin is read by the step, the others are written. */
static int make_pipe(struct ends *ends, size_t which)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC))
        return -1;
    ends->near[which] = pair[which == 0];
    ends->far[ends->far_count++] = ends->owned[ends->owned_count++] = pair[which != 0];
    return fcntl(ends->near[which], F_SETFL, O_NONBLOCK);
}

/* The stream of its output stands for all of it. */
static int make_terminal(struct ends *ends)
{
    int pair[2];
    if (packet_pair(pair))
        return -1;
    ends->near[1] = pair[0];
    ends->far[ends->far_count++] = ends->owned[ends->owned_count++] = pair[1];
    return 0;
}

static int make_ends(const struct streams_wanted *wanted, struct ends *ends)
{
    if (wanted->terminal && make_terminal(ends))
        return -1;
    for (size_t i = 0; i < 3 && !wanted->terminal; i++) {
        if (wanted->standard[i] && make_pipe(ends, i))
            return -1;
    }
    for (size_t i = 0; i < wanted->further_count; i++) {
        if (wanted->further[i] >= 0)
            ends->far[ends->far_count++] = wanted->further[i];
        else if (make_pipe(ends, 3 + i))
            return -1;
    }
    return 0;
}

static int send_with(int channel, const uint8_t *data, size_t length, const struct ends *ends)
{
    int descriptors[1 + STREAMS_LIMIT];
    size_t count = 0;
    uint8_t mark = 0;
    struct iovec part = {(void *)(uintptr_t)data, length};
    autoclose int file = -1;
    if (length > PACKET_LIMIT) {
        file = memory_file(data, length);
        if (file < 0)
            return -1;
        descriptors[count++] = file;
        part = (struct iovec){&mark, 1};
    }
    for (size_t i = 0; i < ends->far_count; i++)
        descriptors[count++] = ends->far[i];
    return send_packet(channel, &part, 1, descriptors, count, MSG_DONTWAIT);
}

int send_message(int channel, const uint8_t *data, size_t length, const struct streams_wanted *wanted,
                 int near[STREAMS_LIMIT])
{
    struct ends ends = {.near = near};
    for (size_t i = 0; i < STREAMS_LIMIT; i++)
        near[i] = -1;
    errno = length > MESSAGE_LIMIT ? EMSGSIZE : EPIPE;
    bool possible = length > 0 && length <= MESSAGE_LIMIT && channel >= 0;
    bool done = possible && !make_ends(wanted, &ends) && !send_with(channel, data, length, &ends);
    int error = errno;
    for (size_t i = 0; i < ends.owned_count; i++)
        close_descriptor(&ends.owned[i]);
    for (size_t i = 0; i < STREAMS_LIMIT && !done; i++)
        close_descriptor(&near[i]);
    errno = error;
    return done ? 0 : -1;
}
