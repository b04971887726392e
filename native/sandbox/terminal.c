/* The terminal of a step, of the sandbox's own devpts. Runs in the parked step, confined already, before it executes
 * its program: nothing that is not ours ever holds the master of its terminal, or the socket by which that goes to the
 * app. */
#include "sandbox/internal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "common/packet.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int open_master(const struct start *start)
{
    struct winsize size = {.ws_col = start->columns, .ws_row = start->rows};
    int locked = 0;
    int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master >= 0 && (ioctl(master, TIOCSPTLCK, &locked) || ioctl(master, TIOCSWINSZ, &size)))
        close_descriptor(&master);
    return master;
}

/* As all terminals of today have it, or the kernel would erase half a character. */
static int expect_utf8(int terminal)
{
    struct termios settings;
    if (tcgetattr(terminal, &settings))
        return -1;
    settings.c_iflag |= IUTF8;
    return tcsetattr(terminal, TCSANOW, &settings);
}

int place_terminal(const struct start *start, int *app)
{
    char byte = 't';
    struct iovec part = {&byte, 1};
    int master = open_master(start); /* stays open where this fails: its end would end us before we could say why */
    /* By its master and not by its name, and without O_NOCTTY: we lead a session that has no terminal yet. */
    autoclose int opened = master < 0 ? -1 : ioctl(master, TIOCGPTPEER, O_RDWR | O_CLOEXEC);
    /* Before the app has the master: what it reads of one whose other end was never open is the end. */
    autoclose int terminal = opened < 0 ? -1 : fcntl(opened, F_DUPFD_CLOEXEC, 3);
    if (terminal < 0 || expect_utf8(terminal))
        return -1;
    /* An app that has hung up already gets what it wants: with the master goes the last that holds it, and we end by
     * SIGHUP. */
    if (send_packet(*app, &part, 1, &master, 1, 0) && errno != EPIPE && errno != ECONNRESET)
        return -1;
    for (int i = 0; i < 3; i++) {
        if (dup3(terminal, i, 0) < 0)
            return -1;
    }
    close_descriptor(app);
    close(master);
    return 0;
}
