/* The end of a step's main process, seen from outside, and how it relates to an end for want of memory: a step whose
 * main process had ended already has its end. Runs in the spawner; what it believes comes from the kernel.
 *
 * On cgroup v1 the order tells. The pidfd and the notice that memory runs out, which the kernel gives before it kills,
 * wait in one epoll, which hands them over in the order in which they came. On cgroup v2 notices come late; but there
 * the kernel ends all of a group together (memory.oom.group), so a main process that had lived would have been ended,
 * too. */
#include "spawner/spawner.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

void main_ended(struct spawner *spawner, struct watch *watch, uint32_t events)
{
    struct sandbox *sandbox = (struct sandbox *)((char *)watch - offsetof(struct sandbox, main));
    (void)spawner;
    (void)events;
    sandbox->main_ended = true;
}

static bool was_killed(const struct report *report)
{
    return report->wait_code != CLD_EXITED && report->wait_status == SIGKILL;
}

/* A kill without a notice (the machine's own memory, on v1) can have come at any time: then it counts as the cause. */
bool exited_before_oom(const struct spawner *spawner, const struct step *step, const struct report *report)
{
    return report && (spawner->cgroups.version == 2 ? !was_killed(report) : step->oom_after_end);
}

/* What linux/pidfd.h has where the kernel can tell, from 6.15 on: how a process that has been reaped had ended. */
struct exit_info {
    uint64_t mask, cgroup;
    uint32_t ids[11];
    int32_t status;
};
enum { INFO_EXIT = 1 << 3 };
#define GET_EXIT_INFO _IOWR(0xff, 11, struct exit_info)

bool exit_of(const struct sandbox *sandbox, struct report *report)
{
    struct exit_info info = {.mask = INFO_EXIT};
    if (ioctl(sandbox->main.fd, GET_EXIT_INFO, &info) || !(info.mask & INFO_EXIT))
        return false;
    bool exited = WIFEXITED(info.status);
    *report = (struct report){.kind = REPORT_ENDED,
                              .wait_code = exited ? CLD_EXITED : CLD_KILLED,
                              .wait_status = exited ? WEXITSTATUS(info.status) : WTERMSIG(info.status)};
    return true;
}
