/* A seccomp rule with verdict `kill` was hit: the kernel tells the spawner, holds the caller, and the sandbox ends.
 * Runs in the spawner. The numbers come from the kernel; no memory of the step is read. */
#include "spawner/spawner.h"

#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

void seccomp_notified(struct spawner *spawner, struct watch *watch, uint32_t events)
{
    struct sandbox *sandbox = (struct sandbox *)((char *)watch - offsetof(struct sandbox, listener));
    /* The kernel may know larger structures than the headers that we were built with. */
    union {
        struct seccomp_notif call;
        uint8_t space[512];
    } notice = {.space = {0}};
    if (!(events & EPOLLIN)) {
        unwatch(spawner, watch); /* nobody runs under the filter any more */
        return;
    }
    if (ioctl(watch->fd, SECCOMP_IOCTL_NOTIF_RECV, &notice.call)) {
        if (errno != EINTR && errno != ENOENT)
            unwatch(spawner, watch); /* ENOENT: the caller was killed meanwhile */
        return;
    }
    struct step *step = sandbox->step;
    if (!step) {
        end_sandbox(spawner, sandbox);
        return;
    }
    if (!step->has_cause) {
        step->evidence.seccomp_syscall = (uint32_t)notice.call.data.nr;
        step->evidence.seccomp_arch = notice.call.data.arch;
    }
    step_event(spawner, step, CAUSE_SECCOMP, SCOPE_STEP);
}
