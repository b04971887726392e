/* The layers of one step, applied in order by itself, after fork and before it waits for its job; what is the same for
 * all steps of a policy, its maker has done. Starts as root of a user namespace that owns nothing; ends without any
 * privilege. No allocation, no stdio. */
#include "sandbox/internal.h"
#include "sandbox/landlock.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

int install_filter(struct bytes filter, unsigned flags)
{
    struct sock_fprog program = {.len = (unsigned short)(filter.length / sizeof(struct sock_filter)),
                                 .filter = (struct sock_filter *)(uintptr_t)filter.data};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* First victim of any shortage: raising it needs no privilege, lowering it is out of reach behind a read-only /proc. */
static int prefer_for_oom(struct sandbox_start *start, struct failure *failure)
{
    /* Init's id change has hid us, and our own files in /proc are root's as long as it holds. */
    if (prctl(PR_SET_DUMPABLE, 1))
        return fail_layer(failure, LAYER_MEMORY);
    if (start->proc < 0) /* forked by a zygote, which is the first victim itself */
        return 0;
    if (write_file_at(start->proc, "self/oom_score_adj", "1000"))
        return fail_layer(failure, LAYER_MEMORY);
    close_descriptor(&start->proc); /* the last look at the host's /proc */
    return 0;
}

/* In the maker: all that it makes inherits them, and none of it can raise them. The steps of a zygote are counted in
 * its user namespace once more, all together: it has many times as much, and they lower that themselves. */
int limit_resources(bool zygote, struct failure *failure)
{
    enum { STEPS = 64 };
    static const struct {
        __rlimit_resource_t resource;
        rlim_t limit;
        bool shared;
    } LIMITS[] = {
        {RLIMIT_CORE, 1, false},           /* no dump; 0 would still wake a handler of the host's */
        {RLIMIT_MEMLOCK, 8u << 20, false}, /* locked pages are charged, but cannot be reclaimed */
        {RLIMIT_NICE, 0, false},           /* no rise in priority */
        {RLIMIT_RTPRIO, 0, false},         {RLIMIT_MSGQUEUE, 819200, true}, /* kernel memory per user id */
        {RLIMIT_SIGPENDING, 8192, true},
    };
    for (size_t i = 0; i < LENGTH(LIMITS); i++) {
        struct rlimit now;
        if (getrlimit(LIMITS[i].resource, &now))
            return fail(failure, STAGE_EXEC_LIMITS, NULL);
        rlim_t most = zygote && LIMITS[i].shared ? LIMITS[i].limit * STEPS : LIMITS[i].limit;
        struct rlimit wanted = {most, most};
        if (most > now.rlim_max && zygote && LIMITS[i].shared && !setrlimit(LIMITS[i].resource, &wanted))
            continue; /* above the app's own limit: root may */
        rlim_t limit = most < now.rlim_max ? most : now.rlim_max;
        wanted = (struct rlimit){limit, limit};
        if (setrlimit(LIMITS[i].resource, &wanted))
            return fail(failure, STAGE_EXEC_LIMITS, NULL);
    }
    return 0;
}

static int change_identity(const struct sandbox_start *start, struct failure *failure)
{
    /* Where no second id could be mapped the kernel forbids setgroups: the app's groups stay, and the spawner sees and
     * says so. */
    if (setgroups(0, NULL) && start->identity.leased)
        return fail_layer(failure, LAYER_GROUPS);
    if (start->portable && !start->identity.leased)
        return 0; /* there is no other */
    /* In a zygote's user namespace those of the sandboxes below it have the numbers that they have outside; without one
     * there are no others. */
    bool as_outside = start->policy->zygote || start->portable;
    uid_t uid = as_outside ? start->identity.step : start->policy->uid;
    gid_t gid = as_outside ? start->identity.step : start->policy->gid;
    return setresgid(gid, gid, gid) || setresuid(uid, uid, uid) ? fail_layer(failure, LAYER_UID) : 0;
}

static int drop_capabilities(bool zygote, struct failure *failure)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    if (zygote ? keep_zygote_capabilities(failure)
               : prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) || syscall(SYS_capset, &header, none))
        return failure->stage ? -1 : fail_layer(failure, LAYER_CAPABILITIES);
    /* The spawner is about to look at us through /proc; an id change has hidden us. Nothing foreign runs yet, and
     * execve would make us visible anyway. */
    return prctl(PR_SET_DUMPABLE, 1) ? fail_layer(failure, LAYER_CAPABILITIES) : 0;
}

/* What Landlock adds to the namespaces: no signal to init even where it has the same host uid. Kernels that cannot say
 * that yet forbid device nodes once more; where they can, files are left out, or every opening would pay for it. */
static int restrict_by_landlock(bool *restricted, struct failure *failure)
{
    long version = landlock_version();
    if (version < 2) {       /* the first cannot allow moves */
        *restricted = false; /* whether that is acceptable, the spawner decides by the policy */
        return 0;
    }
    bool scopes = version >= 6;
    struct handled handled = {0};
    if (scopes)
        handled.scoped = SCOPE_ABSTRACT | SCOPE_SIGNALS;
    else
        handled.files = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | RIGHT_REFER;
    autoclose int ruleset = new_ruleset(&handled, version);
    if (ruleset < 0 || (!scopes && allow_moves(ruleset)) || enter_domain(ruleset))
        return fail_layer(failure, LAYER_LANDLOCK);
    *restricted = true;
    return 0;
}

/* Where there is no mount namespace, what the step may do to files, too: all that its policy shows, and itself. */
static int restrict_to_ruleset(const struct sandbox_start *start, bool *restricted, struct failure *failure)
{
    if (enter_domain(start->ruleset))
        return fail_layer(failure, LAYER_LANDLOCK);
    *restricted = true;
    return 0;
}

/* The threads of a core share its caches and buffers. With a cookie of its own, which all below it inherit, the step
 * never has anybody else beside it on a core. What the kernel answers here, the spawner judges. */
static bool keep_cores_apart(const struct define *policy)
{
    unsigned long long cookie = 0;
    return policy->core_scheduling &&
           !prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PR_SCHED_CORE_SCOPE_THREAD_GROUP, 0) &&
           !prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, PR_SCHED_CORE_SCOPE_THREAD, &cookie) && cookie != 0;
}

static int filter_syscalls(const struct define *policy, int *listener, struct failure *failure)
{
    unsigned flags = policy->step_filter_notifies ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
    int result = install_filter(policy->step_filter, flags);
    if (result < 0)
        return fail_layer(failure, LAYER_SECCOMP);
    *listener = policy->step_filter_notifies ? result : -1;
    return 0;
}

#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
/* cppcheck-suppress preprocessorErrorDirective */
#error "there is no table of system calls for this architecture"
#endif

/* Where no cgroup counts memory: files without a name in any mount tree, and memory that is shared without a file. What
 * is in them and mapped by nobody would be seen by nobody (spawner/watch_usage.c). The policy stays as it is. */
static int forbid_unseen_memory(const struct sandbox_start *start, struct failure *failure)
{
    enum {
        NR = offsetof(struct seccomp_data, nr),
        ARCHITECTURE = offsetof(struct seccomp_data, arch),
        FLAGS = offsetof(struct seccomp_data, args[3]),
    };
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARCHITECTURE),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCHITECTURE, 0, 6), /* others are the policy's to end */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NR),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FLAGS),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, MAP_SHARED | MAP_ANONYMOUS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAP_SHARED | MAP_ANONYMOUS, 2, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
    };
    struct bytes filter = {(const uint8_t *)code, sizeof(code)};
    return !start->counted && install_filter(filter, 0) ? fail_layer(failure, LAYER_MEMORY) : 0;
}

int confine_step(struct sandbox_start *start, struct confined *confined, struct failure *failure)
{
    if (prefer_for_oom(start, failure) ||  /* while the host's /proc is still open */
        change_identity(start, failure) || /* needs CAP_SETUID, CAP_SETGID */
        drop_capabilities(start->policy->zygote, failure))
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) /* inherited from the maker; asked for again, it costs nothing */
        return fail_layer(failure, LAYER_NO_NEW_PRIVS);
    confined->own_cores = keep_cores_apart(start->policy);
    setsid(); /* no terminal, no process group shared with init */
    int failed = start->portable ? restrict_to_ruleset(start, &confined->landlock, failure)
                                 : restrict_by_landlock(&confined->landlock, failure);
    return failed || forbid_unseen_memory(start, failure) ||
                   filter_syscalls(start->policy, &confined->listener,
                                   failure) /* last: it forbids what the others used */
               ? -1
               : 0;
}
