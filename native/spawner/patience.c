/* A zygote chooses what descriptors it sends, and with some of them a call that never waits does: to close a socket
 * that lingers, to receive from a listener whose notice somebody else has taken. A signal ends every such wait, and it
 * comes again for as long as we are at it. Runs in the spawner. */
#include "spawner/spawner.h"

#include <signal.h>
#include <sys/time.h>

enum { PATIENCE_US = 5000 };

static void wake(int signal)
{
    (void)signal;
}

void lose_patience(void)
{
    static bool prepared;
    struct itimerval soon = {{0, PATIENCE_US}, {0, PATIENCE_US}};
    if (!prepared) {
        struct sigaction action = {.sa_handler = wake}; /* not SA_RESTART */
        sigaction(SIGALRM, &action, NULL);
        prepared = true;
    }
    setitimer(ITIMER_REAL, &soon, NULL);
}

void regain_patience(void)
{
    struct itimerval never = {{0, 0}, {0, 0}};
    int error = errno;
    setitimer(ITIMER_REAL, &never, NULL);
    errno = error;
}
