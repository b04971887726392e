/* Without host privileges the whole spawner lives as root of one user namespace of its own, and from there on does the
 * same as with them. Runs in the spawner, once, while it has a single thread. newuidmap and newgidmap are the system's
 * own set-uid programs. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

bool has_capabilities(uint64_t needed)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data))
        return false;
    return ((data[0].effective | (uint64_t)data[1].effective << 32) & needed) == needed;
}

bool has_host_privileges(void)
{
    return has_capabilities(1u << CAP_SYS_ADMIN | 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_CHOWN |
                            1u << CAP_KILL | 1u << CAP_NET_ADMIN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_SYS_PTRACE |
                            1u << CAP_SETPCAP);
}

static int map_single(uid_t uid, gid_t gid)
{
    char map[32];
    if (write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny"))
        return -1;
    snprintf(map, sizeof(map), "0 %u 1\n", gid);
    if (write_file_at(AT_FDCWD, "/proc/self/gid_map", map))
        return -1;
    snprintf(map, sizeof(map), "0 %u 1\n", uid);
    return write_file_at(AT_FDCWD, "/proc/self/uid_map", map);
}

static bool run_mapper(const char *program, pid_t target, uint32_t own, const struct id_range *range)
{
    char pid[16], outside[16], start[16], count[16];
    snprintf(pid, sizeof(pid), "%d", target);
    snprintf(outside, sizeof(outside), "%u", own);
    snprintf(start, sizeof(start), "%u", range->start);
    snprintf(count, sizeof(count), "%u", range->count);
    pid_t child = fork();
    if (child == 0) {
        execle(program, program, pid, "0", outside, "1", "1", start, count, (char *)NULL, (char *[]){NULL});
        _exit(127);
    }
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* The programs must be run from outside the new namespace: a helper forked before waits for its turn. */
static pid_t fork_helper(const struct configure *configure, int turn[2])
{
    pid_t target = getpid(), helper = fork();
    if (helper != 0)
        return helper;
    char byte;
    close(turn[1]);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || read(turn[0], &byte, 1) != 1)
        _exit(1);
    bool mapped = run_mapper("/usr/bin/newgidmap", target, getgid(), &configure->subordinate_gids) &&
                  run_mapper("/usr/bin/newuidmap", target, getuid(), &configure->subordinate_uids);
    _exit(mapped ? 0 : 1);
}

static bool map_ranges(const struct configure *configure, pid_t helper, int turn)
{
    int status = 1;
    (void)configure;
    return write(turn, "g", 1) == 1 && waitpid(helper, &status, 0) == helper && status == 0;
}

bool can_enter_outer_namespace(struct failure *failure)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        uid_t uid = getuid();
        gid_t gid = getgid();
        _exit(unshare(CLONE_NEWUSER) || map_single(uid, gid) ? errno : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return true; /* whoever enters it will be told why not */
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
    return errno == 0 || errno == EAGAIN || is_exhaustion(errno) ? true : (fail_layer(failure, LAYER_USER), false);
}

int enter_outer_namespace(struct spawner *spawner, struct failure *failure)
{
    const struct configure *configure = &spawner->configure;
    bool ranges = configure->subordinate_uids.count > 1 && configure->subordinate_gids.count > 1;
    uid_t uid = getuid();
    gid_t gid = getgid();
    int turn[2];
    if (pipe2(turn, O_CLOEXEC))
        return fail(failure, STAGE_RESOURCES, NULL);
    autoclose int read_end = turn[0];
    autoclose int write_end = turn[1];
    pid_t helper = ranges ? fork_helper(configure, turn) : -1;
    if (unshare(CLONE_NEWUSER)) {
        fail_layer(failure, LAYER_USER);
        close_descriptor(&write_end);
        if (helper > 0)
            waitpid(helper, NULL, 0);
        return -1;
    }
    if (helper > 0 && map_ranges(configure, helper, write_end)) {
        uint32_t count = configure->subordinate_uids.count;
        if (configure->subordinate_gids.count < count)
            count = configure->subordinate_gids.count;
        spawner->leases = true;
        spawner->id_start = 1;
        spawner->id_count = count;
        spawner->id_offset = configure->subordinate_uids.start - 1;
    } else if (map_single(uid, gid)) {
        return fail_layer(failure, LAYER_USER);
    }
    /* Becoming root of the namespace hid us from /proc, where our makers are to write their maps. */
    return prctl(PR_SET_DUMPABLE, 1) ? fail_layer(failure, LAYER_USER) : 0;
}
