/* Asks for each system call that making a sandbox needs whether a seccomp filter over us refuses it: with arguments
 * that the kernel itself refuses by another error number, before it looks at rights. Runs in a child of the spawner
 * that ends at once; nothing is changed. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "spawner/spawner.h"

struct call {
    long number;
    long arguments[5];
    bool privileged; /* the kernel looks at rights first: to be asked by root of a new user namespace */
    int answer;      /* the kernel's own, 0 for success */
};

/* Filters look at the flags of unshare and clone; the kernel finds these contradictory or unknown first. */
enum { NO_DESCRIPTOR = -1, NO_FLAGS = -1, UNKNOWN_FLAG = 1 };

static const struct call CALLS[] = {
    [PROBE_CALL_UNSHARE - PROBE_CALL_UNSHARE] = {SYS_unshare, {CLONE_NEWUSER | UNKNOWN_FLAG}, false, EINVAL},
    [PROBE_CALL_CLONE - PROBE_CALL_UNSHARE] = {SYS_clone, {CLONE_NEWUSER | CLONE_FS | SIGCHLD}, false, EINVAL},
    [PROBE_CALL_SETNS - PROBE_CALL_UNSHARE] = {SYS_setns, {NO_DESCRIPTOR, 0}, false, EBADF},
    [PROBE_CALL_MOUNT - PROBE_CALL_UNSHARE] = {SYS_mount, {0}, false, EFAULT},
    [PROBE_CALL_UMOUNT2 - PROBE_CALL_UNSHARE] = {SYS_umount2, {0, NO_FLAGS}, false, EINVAL},
    [PROBE_CALL_PIVOT_ROOT - PROBE_CALL_UNSHARE] = {SYS_pivot_root, {0}, true, EFAULT},
    [PROBE_CALL_FSOPEN - PROBE_CALL_UNSHARE] = {SYS_fsopen, {0, NO_FLAGS}, true, EINVAL},
    [PROBE_CALL_FSCONFIG - PROBE_CALL_UNSHARE] = {SYS_fsconfig, {NO_DESCRIPTOR}, false, EINVAL},
    [PROBE_CALL_FSMOUNT - PROBE_CALL_UNSHARE] = {SYS_fsmount, {NO_DESCRIPTOR, NO_FLAGS}, true, EINVAL},
    [PROBE_CALL_MOVE_MOUNT -
        PROBE_CALL_UNSHARE] = {SYS_move_mount, {NO_DESCRIPTOR, 0, NO_DESCRIPTOR, 0, NO_FLAGS}, true, EINVAL},
    [PROBE_CALL_OPEN_TREE - PROBE_CALL_UNSHARE] = {SYS_open_tree, {NO_DESCRIPTOR, 0, NO_FLAGS}, false, EINVAL},
    [PROBE_CALL_MOUNT_SETATTR - PROBE_CALL_UNSHARE] = {SYS_mount_setattr, {NO_DESCRIPTOR, 0, NO_FLAGS}, false, EINVAL},
    [PROBE_CALL_SETHOSTNAME - PROBE_CALL_UNSHARE] = {SYS_sethostname, {0, -1}, true, EINVAL},
    [PROBE_CALL_KEYCTL - PROBE_CALL_UNSHARE] = {SYS_keyctl, {-1}, false, EOPNOTSUPP},
};

/* Either way the mount and uts namespaces that rights are looked up for are our own. */
static bool gain_rights(void)
{
    return !unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS) || !unshare(CLONE_NEWNS | CLONE_NEWUTS);
}

/* 0 when the kernel itself answered; -1 with the errno that came instead, or ECANCELED where that cannot be told. */
long try_call(uint32_t what)
{
    const struct call *call = &CALLS[what - PROBE_CALL_UNSHARE];
    if (call->privileged && !gain_rights()) {
        errno = ECANCELED;
        return -1;
    }
    const long *arguments = call->arguments;
    errno = 0;
    long result = syscall(call->number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
    if (call->number == SYS_clone && result == 0)
        _exit(0);
    return (result >= 0 ? 0 : errno) == call->answer ? 0 : -1;
}
