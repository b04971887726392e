/* The scratch space of a sandbox, looked at from outside: where memory is watched, and before a sandbox is ended, when
 * init cannot say any more whether it was full. Runs in the spawner. The path lies in a root that nobody inside can
 * write to; the numbers are the kernel's. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>

int open_scratch(const struct spawner *spawner, const struct policy *policy, pid_t pid)
{
    char path[PATH_LIMIT + 1];
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    snprintf(path, sizeof(path), "%d/root", pid);
    autoclose int root = openat(spawner->proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return -1;
    snprintf(path, sizeof(path), "%.*s", (int)policy->scratch.length, (const char *)policy->scratch.data);
    return (int)syscall(SYS_openat2, root, *path ? path : "/", &how, sizeof(how));
}

/* By the step's main process; when that has ended, init is about to tell. A pid that was given to somebody else
 * meanwhile shows by the pidfd, which then has nobody to signal. */
bool is_scratch_full(const struct spawner *spawner, const struct sandbox *sandbox)
{
    struct statfs space;
    if (sandbox->policy->scratch.length == 0 || sandbox->policy->portable)
        return false;
    if (sandbox->watched_scratch >= 0)
        return !fstatfs(sandbox->watched_scratch, &space) && is_used_up(&space);
    autoclose int scratch = open_scratch(spawner, sandbox->policy, sandbox->parked_pid);
    return scratch >= 0 && !fstatfs(scratch, &space) && !syscall(SYS_pidfd_send_signal, sandbox->main.fd, 0, NULL, 0) &&
           is_used_up(&space);
}
