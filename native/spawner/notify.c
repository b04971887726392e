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
    if (sandbox->nest)
        lose_patience();
    int failed = ioctl(watch->fd, SECCOMP_IOCTL_NOTIF_RECV, &notice.call);
    if (sandbox->nest)
        regain_patience();
    if (failed && errno == EINTR && sandbox->nest) { /* somebody else has a copy of it, and was faster */
        struct failure shared = {.stage = STAGE_OBSERVATION, .layer = LAYER_SECCOMP};
        unwatch(spawner, watch);
        sandbox->has_failure = true;
        sandbox->failure = shared;
        if (sandbox->step)
            fail_step(spawner, sandbox->step, &shared);
        else
            sandbox_failed(spawner, sandbox, &shared);
        return;
    }
    if (failed) {
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
