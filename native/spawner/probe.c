/* Tries out what the layers need, each by doing it in a process of its own, and reports the kernel's answers. Never
 * guesses from a version. Runs in the spawner, before Configure with the app's own rights, after it in the spawner's
 * user namespace where it has one; the children end at once and leave nothing. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sandbox/landlock.h"
#include "sandbox/mounts.h"

/* Each answers a number >= 0, or -1 with errno. */
typedef long trial_fn(struct spawner *spawner);

static long try_user_namespace(struct spawner *spawner)
{
    (void)spawner;
    return unshare(CLONE_NEWUSER);
}

static long try_uid_map(struct spawner *spawner)
{
    char map[48];
    (void)spawner;
    snprintf(map, sizeof(map), "0 %u 1\n", geteuid());
    return unshare(CLONE_NEWUSER) ? -1 : write_file_at(AT_FDCWD, "/proc/self/uid_map", map);
}

static long try_pid_namespace(struct spawner *spawner)
{
    (void)spawner;
    return unshare(CLONE_NEWPID);
}

static long try_mount_namespace(struct spawner *spawner)
{
    (void)spawner;
    return unshare(CLONE_NEWNS) ? -1 : mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static long try_net_namespace(struct spawner *spawner)
{
    (void)spawner;
    return unshare(CLONE_NEWNET);
}

static long try_ipc_namespace(struct spawner *spawner)
{
    (void)spawner;
    return unshare(CLONE_NEWIPC);
}

static long try_uts_namespace(struct spawner *spawner)
{
    (void)spawner;
    return unshare(CLONE_NEWUTS) ? -1 : sethostname("sandbox", 7);
}

static long try_cgroup_namespace(struct spawner *spawner)
{
    (void)spawner;
    return unshare(CLONE_NEWCGROUP);
}

/* A procfs belongs to the pid namespace of who mounts it, so it takes a child in the new one. */
static long try_proc_mount(struct spawner *spawner)
{
    int status;
    (void)spawner;
    if (unshare(CLONE_NEWNS | CLONE_NEWPID) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return -1;
    pid_t child = fork();
    if (child == 0)
        _exit(new_proc(MOUNT_ATTR_RDONLY) < 0 ? errno : 0);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    errno = WEXITSTATUS(status);
    return errno ? -1 : 0;
}

static long try_tmpfs_mount(struct spawner *spawner)
{
    if (try_mount_namespace(spawner))
        return -1;
    return new_tmpfs("size=1m", MOUNT_ATTR_NODEV) < 0 ? -1 : 0;
}

static long try_pivot_root(struct spawner *spawner)
{
    if (try_mount_namespace(spawner))
        return -1;
    int root = new_tmpfs("size=1m", MOUNT_ATTR_NODEV);
    if (root < 0 || attach_mount(root, AT_FDCWD, "/usr") || fchdir(root))
        return -1;
    return syscall(SYS_pivot_root, ".", ".");
}

static long load_filter(unsigned flags)
{
    struct sock_filter allow = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
    struct bytes filter = {(const uint8_t *)&allow, sizeof(allow)};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -1 : install_filter(filter, flags);
}

static long try_seccomp_filter(struct spawner *spawner)
{
    (void)spawner;
    return load_filter(0);
}

static long try_seccomp_notify(struct spawner *spawner)
{
    (void)spawner;
    return load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

static long try_landlock(struct spawner *spawner)
{
    (void)spawner;
    return landlock_version();
}

static long controller(const struct spawner *spawner, enum layer layer)
{
    errno = ENODEV; /* why is said by Ready */
    return spawner->cgroups.controllers & 1u << layer ? (long)spawner->cgroups.version : -1;
}

static long try_cgroup_memory(struct spawner *spawner)
{
    return controller(spawner, LAYER_MEMORY);
}

static long try_cgroup_pids(struct spawner *spawner)
{
    return controller(spawner, LAYER_PROCESSES);
}

static long try_cgroup_cpu(struct spawner *spawner)
{
    return controller(spawner, LAYER_CPU);
}

static long try_clone3(struct spawner *spawner)
{
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    (void)spawner;
    pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
    if (child == 0)
        _exit(0);
    return child < 0 ? -1 : waitpid(child, NULL, 0) == child ? 0 : -1;
}

static long try_pidfd(struct spawner *spawner)
{
    (void)spawner;
    return syscall(SYS_pidfd_open, getpid(), 0) < 0 ? -1 : 0;
}

static long try_id_lease(struct spawner *spawner)
{
    errno = ENOSPC;
    return spawner->leases ? (long)spawner->id_count / 2 : -1;
}

/* In a directory as the app would share it; the answer for another file system may differ, and is then given by its own
 * start. */
static long try_idmapped_mount(struct spawner *spawner)
{
    if (!spawner->privileged) {
        errno = EPERM;
        return -1;
    }
    if (try_mount_namespace(spawner))
        return -1;
    int turn[2], done[2];
    char byte, path[64];
    if (pipe(turn) || pipe(done))
        return -1;
    pid_t child = fork();
    if (child == 0) {
        close(done[1]); /* lives until its parent, which has the other one, ends */
        _exit(unshare(CLONE_NEWUSER) || write(turn[1], "u", 1) != 1 || read(done[0], &byte, 1) != 0);
    }
    close(turn[1]);
    if (child < 0 || read(turn[0], &byte, 1) != 1)
        return -1;
    snprintf(path, sizeof(path), "%d/uid_map", child);
    int failed = write_file_at(spawner->proc, path, "0 1000 1\n");
    snprintf(path, sizeof(path), "%d/gid_map", child);
    failed |= write_file_at(spawner->proc, path, "0 1000 1\n");
    snprintf(path, sizeof(path), "%d/ns/user", child);
    int idmap = openat(spawner->proc, path, O_RDONLY | O_CLOEXEC);
    int copy = clone_mount(AT_FDCWD, "/tmp", false);
    return failed || idmap < 0 || copy < 0 ? -1 : idmap_mount(copy, idmap);
}

static long try_core_scheduling(struct spawner *spawner)
{
    (void)spawner;
    return prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, 0, 0);
}

static long try_newuidmap(struct spawner *spawner)
{
    struct stat status;
    if (stat("/usr/bin/newuidmap", &status) || stat("/usr/bin/newgidmap", &status))
        return -1;
    errno = ERANGE;
    return spawner->configure.subordinate_uids.count > 1 ? (long)spawner->configure.subordinate_uids.count : -1;
}

static trial_fn *const TRIALS[] = {
    [PROBE_USER_NAMESPACE] = try_user_namespace,
    [PROBE_UID_MAP] = try_uid_map,
    [PROBE_PID_NAMESPACE] = try_pid_namespace,
    [PROBE_MOUNT_NAMESPACE] = try_mount_namespace,
    [PROBE_NET_NAMESPACE] = try_net_namespace,
    [PROBE_IPC_NAMESPACE] = try_ipc_namespace,
    [PROBE_UTS_NAMESPACE] = try_uts_namespace,
    [PROBE_CGROUP_NAMESPACE] = try_cgroup_namespace,
    [PROBE_PROC_MOUNT] = try_proc_mount,
    [PROBE_TMPFS_MOUNT] = try_tmpfs_mount,
    [PROBE_PIVOT_ROOT] = try_pivot_root,
    [PROBE_SECCOMP_FILTER] = try_seccomp_filter,
    [PROBE_SECCOMP_NOTIFY] = try_seccomp_notify,
    [PROBE_LANDLOCK] = try_landlock,
    [PROBE_CGROUP_MEMORY] = try_cgroup_memory,
    [PROBE_CGROUP_PIDS] = try_cgroup_pids,
    [PROBE_CGROUP_CPU] = try_cgroup_cpu,
    [PROBE_CLONE3] = try_clone3,
    [PROBE_PIDFD] = try_pidfd,
    [PROBE_ID_LEASE] = try_id_lease,
    [PROBE_IDMAPPED_MOUNT] = try_idmapped_mount,
    [PROBE_CORE_SCHEDULING] = try_core_scheduling,
    [PROBE_NEWUIDMAP] = try_newuidmap,
};

enum { WHATS = PROBE_CALL_KEYCTL + 1 };

static bool needs_configuration(size_t what)
{
    return what == PROBE_CGROUP_MEMORY || what == PROBE_CGROUP_PIDS || what == PROBE_CGROUP_CPU ||
           what == PROBE_ID_LEASE || what == PROBE_IDMAPPED_MOUNT || what == PROBE_NEWUIDMAP;
}

static void try_apart(struct spawner *spawner, size_t what, struct probe_result *result)
{
    struct {
        long value;
        int error;
    } told = {-1, ECHILD};
    int pair[2];
    *result = (struct probe_result){.what = (uint32_t)what, .error = EMFILE};
    if (pipe2(pair, O_CLOEXEC))
        return;
    pid_t child = fork();
    if (child == 0) {
        alarm(10); /* a probe that hangs is a probe that failed */
        told.value = what < LENGTH(TRIALS) ? TRIALS[what](spawner) : try_call((uint32_t)what);
        told.error = told.value < 0 ? errno : 0;
        _exit(write(pair[1], &told, sizeof(told)) == sizeof(told) ? 0 : 1);
    }
    close(pair[1]);
    if (child > 0) {
        if (read(pair[0], &told, sizeof(told)) != sizeof(told))
            told.error = EIO;
        waitpid(child, NULL, 0);
    } else {
        told.error = errno;
    }
    close(pair[0]);
    *result = (struct probe_result){.what = (uint32_t)what,
                                    .works = told.value >= 0,
                                    .error = told.error,
                                    .value = told.value < 0 ? 0 : told.value};
}

bool can_be_done(struct spawner *spawner, uint32_t what)
{
    struct probe_result result;
    try_apart(spawner, what, &result);
    /* Want of something says nothing of what was tried. */
    return result.works || is_exhaustion(result.error) || result.error == EAGAIN;
}

void probe(struct spawner *spawner, struct bytes body)
{
    uint32_t id;
    struct probe_result results[WHATS];
    size_t count = 0;
    uint8_t space[2048];
    struct writer writer = {.start = space, .size = sizeof(space)};
    if (read_id(body, &id))
        return;
    for (size_t what = 0; what < WHATS; what++) {
        if (spawner->configured || !needs_configuration(what))
            try_apart(spawner, what, &results[count++]);
    }
    write_probed(&writer, id, results, count);
    tell_app(spawner, &writer);
}
