/* Masters of the steps' terminals. Runs in the app. Nothing that holds the other end can make these calls wait: reading
 * and writing do not block, and nobody else has the master. */
#include "addon/terminals.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/packet.h"

int receive_terminal(int socket, int *master)
{
    uint8_t byte;
    struct packet packet;
    int got = receive_packet(socket, &byte, sizeof(byte), &packet, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return -1;
    unsigned number;
    int fd = got > 0 && packet.descriptor_count == 1 ? take_descriptor(&packet.descriptors[0]) : -1;
    close_packet(&packet);
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

void resize_terminal(int master, uint16_t columns, uint16_t rows)
{
    struct winsize size = {.ws_col = columns, .ws_row = rows};
    ioctl(master, TIOCSWINSZ, &size);
}
