/* init: pid 1 of one sandbox. Makes it, becomes powerless, forks the step, reaps, and reports how the step ended.
 * Starts with the spawner's privileges, ends as an unprivileged id in a user namespace that owns nothing. Runs only our
 * code; the processes below it are hostile, and all they can do to it is end. */
#include "sandbox/internal.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/packet.h"

/* "0" is the writer itself: joining by one's own hand spares the kernel a lock that waits for an RCU grace period. */
int join_attached(struct sandbox_start *start, struct failure *failure)
{
    for (size_t i = 0; i < start->attach_count; i++) {
        if (write(start->attach[i], "0", 1) != 1)
            return fail_layer(failure, LAYER_MEMORY);
        close_descriptor(&start->attach[i]);
    }
    return 0;
}

static int join_cgroups(struct sandbox_start *start, struct failure *failure)
{
    if (join_attached(start, failure))
        return -1;
    return unshare(CLONE_NEWCGROUP) ? fail_layer(failure, LAYER_CGROUP) : 0;
}

static int set_hostname(const struct sandbox_start *start, struct failure *failure)
{
    const struct bytes *name = &start->policy->hostname;
    return sethostname((const char *)name->data, name->length) ? fail_layer(failure, LAYER_UTS) : 0;
}

/* What processes of a user namespace use of the kernel's quotas (inotify, queued signals, message queues, processes) is
 * counted once more against whoever made it: a step could use up what belongs to root of the host. So it is made under
 * an id that belongs to this sandbox alone; without the fix-up the change of id leaves the capabilities as they are. */
static int make_under_own_id(const struct sandbox_start *start)
{
    const struct identity *identity = &start->identity;
    if (!identity->leased)
        return 0;
    return prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) ||
                   setresgid(identity->root, identity->root, identity->root) ||
                   setresuid(identity->root, identity->root, identity->root)
               ? -1
               : 0;
}

static int make_user_namespace(const struct sandbox_start *start)
{
    char byte = 'u';
    struct iovec part = {&byte, 1};
    /* Who writes the maps of a sandbox below a zygote stands in another pid namespace than the /proc that it has. */
    autoclose int self = start->below ? openat(start->proc, "self", O_DIRECTORY | O_CLOEXEC) : -1;
    if ((start->below && self < 0) || make_under_own_id(start) || unshare(CLONE_NEWUSER))
        return -1;
    /* An id change has hidden us, and then nobody but the host's root may write the maps. */
    if (start->below && prctl(PR_SET_DUMPABLE, 1))
        return -1;
    return !send_packet(start->sync, &part, 1, &self, start->below ? 1 : 0, 0) && read(start->sync, &byte, 1) == 1 ? 0
                                                                                                                   : -1;
}

/* Which user namespace /proc/sys/user means, the caller's own tells, not the procfs that is asked. */
static int limit_namespace(int proc, bool zygote)
{
    enum { NAMESPACES = 8 }; /* rows; the sandboxes below a zygote are counted in its user namespace */
    static const struct {
        const char *path, *value;
    } SETTINGS[] = {
        {"max_user_namespaces",
         "0"}, /* without it none of the others can be had either; they stand for the day a bug is found */
        {"max_mnt_namespaces", "0"},
        {"max_pid_namespaces", "0"},
        {"max_net_namespaces", "0"},
        {"max_ipc_namespaces", "0"},
        {"max_uts_namespaces", "0"},
        {"max_cgroup_namespaces", "0"},
        {"max_time_namespaces", "0"},
        /* A step could otherwise use up what the kernel gives to the app's own uid. */
        {"max_inotify_instances", "32"},
        {"max_inotify_watches", "8192"},
        {"max_fanotify_groups", "0"},
        {"max_fanotify_marks", "0"},
    };
    autoclose int settings = openat(proc, "sys/user", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = zygote ? NAMESPACES : 0; i < LENGTH(SETTINGS); i++) {
        if (write_file_at(settings, SETTINGS[i].path, SETTINGS[i].value) && (errno != ENOENT || i == 0))
            return -1;
    }
    return 0;
}

/* The one that goes with the leased identity has its maps and limits from the sandbox that made it. */
static int enter_user_namespace(struct sandbox_start *start, struct failure *failure)
{
    int failed = start->user >= 0 ? setns(start->user, CLONE_NEWUSER)
                                  : make_user_namespace(start) || limit_namespace(start->proc, start->policy->zygote);
    close_descriptor(&start->user);
    return failed ? fail_layer(failure, LAYER_USER) : 0;
}

/* Below a zygote that is the root of its user namespace, and who enters that is another. Without the fix-up the
 * capabilities stay as they are. */
static int become_owner_of_namespace(void)
{
    return prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) || setresuid((uid_t)-1, 0, (uid_t)-1);
}

/* Where no cgroup counts memory, a SysV segment that nobody has attached would be seen by nobody: there are none then,
 * and few queues and semaphores, which are the kernel's memory. These are the ipc namespace's own settings, and need
 * its owner's rights. */
static int limit_exchange(const struct sandbox_start *start, struct failure *failure)
{
    static const struct {
        const char *path, *value;
    } SETTINGS[] = {{"sys/kernel/shmmni", "0"}, {"sys/kernel/msgmni", "16"}, {"sys/kernel/sem", "250 4096 100 64"}};
    bool is_owner = false;
    if (start->counted)
        return 0;
    for (size_t i = 0; i < LENGTH(SETTINGS); i++) {
        int failed = write_file_at(start->proc, SETTINGS[i].path, SETTINGS[i].value);
        /* Older kernels ask for the host's root, later ones for the namespace's. */
        if (failed && errno == EACCES && start->below && !is_owner) {
            is_owner = true;
            failed = become_owner_of_namespace() || write_file_at(start->proc, SETTINGS[i].path, SETTINGS[i].value);
        }
        if (failed)
            return fail_layer(failure, LAYER_MEMORY);
    }
    /* One of the sandbox's own comes next, if it has one. */
    if (is_owner && !start->identity.leased && setresuid((uid_t)-1, getuid(), (uid_t)-1))
        return fail_layer(failure, LAYER_MEMORY);
    return 0;
}

static int become_root_inside(const struct sandbox_start *start, struct failure *failure)
{
    if (!start->identity.leased)
        return 0; /* the only id there is, is the step's: init has it already */
    if (setgroups(0, NULL))
        return fail_layer(failure, LAYER_GROUPS);
    if (setresgid(0, 0, 0) && start->policy->gid != 0)
        return fail_layer(failure, LAYER_UID);
    return setresuid(0, 0, 0) && start->policy->uid != 0 ? fail_layer(failure, LAYER_UID) : 0;
}

/* All that init may still do: end the processes below it. */
static int keep_only_kill(struct failure *failure)
{
    return keep_capabilities(1u << CAP_KILL, failure);
}

/* Id changes clear PR_SET_PDEATHSIG, so it comes after them; a maker that died in between shows by its pidfd. */
int end_with_maker(const struct sandbox_start *start, int signal, struct failure *failure)
{
    struct pollfd maker = {.fd = start->parent, .events = POLLIN};
    if (prctl(PR_SET_PDEATHSIG, signal) || poll(&maker, 1, 0) != 0)
        return fail(failure, STAGE_MAKER, NULL);
    return 0;
}

static int die_with_maker(const struct sandbox_start *start, struct failure *failure)
{
    /* Below a zygote, with its init: the kernel sees to that. */
    return start->below ? 0 : end_with_maker(start, SIGKILL, failure);
}

/* The order matters: each row says what it needs. */
static int make_sandbox(struct sandbox_start *start, struct failure *failure)
{
    if (join_cgroups(start, failure) ||                      /* first: all that follows is charged to the sandbox */
        (!start->below && mount_contents(start, failure)) || /* needs the maker's privileges, as do the next rows */
        mount_own_proc(start, failure) || enter_net(start, failure) || set_hostname(start, failure) ||
        limit_exchange(start, failure) || enter_user_namespace(start, failure) || /* the end of those privileges */
        drop_bounding_set(start->policy, failure) || /* needs CAP_SETPCAP, as does the next row */
        lock_securebits(start->policy, failure) ||
        become_root_inside(start, failure) || /* needs CAP_SETUID, CAP_SETGID */
        die_with_maker(start, failure))
        return -1;
    /* A step that a zygote forks has its session from there, and joins a new one by itself: keyrings are few. */
    return start->below || start->policy->session ? 0 : join_new_keyring(start->policy, failure);
}

static bool reap(pid_t main_pid, siginfo_t *end)
{
    siginfo_t info = {0};
    while (waitid(P_ALL, 0, &info, WEXITED) != 0) {
        if (errno == ECHILD)
            return false;
    }
    if (info.si_pid == main_pid)
        *end = info;
    return true;
}

/* kill(-1) reaches every process of the namespace but the caller, or whom a warden may signal; a fork in progress is
 * restarted or caught by the next round. */
uint32_t end_the_rest(void)
{
    siginfo_t unused = {0};
    uint32_t killed = 0;
    for (;;) {
        kill(-1, SIGKILL);
        if (!reap(-1, &unused))
            return killed;
        killed++;
    }
}

static uint64_t timeval_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

void report_end(int socket, struct report *report)
{
    struct rusage usage;
    if (!getrusage(RUSAGE_CHILDREN, &usage)) {
        report->user_ns = timeval_ns(usage.ru_utime);
        report->system_ns = timeval_ns(usage.ru_stime);
        report->peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
    }
    struct iovec part = {report, sizeof(*report)};
    send_packet(socket, &part, 1, NULL, 0, 0);
}

/* Who we are, while nobody else has our socket. */
static int report_made(const struct sandbox_start *start)
{
    struct report made = {.kind = REPORT_MADE};
    struct iovec part = {&made, sizeof(made)};
    return send_packet(start->report, &part, 1, NULL, 0, 0);
}

static void wake(int signal)
{
    (void)signal;
}

/* Zombies are no living children, and stay for whoever is to be told of their end. */
static bool has_living_children(void)
{
    siginfo_t unused;
    return waitid(P_ALL, 0, &unused, WSTOPPED | WNOHANG) == 0 || errno != ECHILD;
}

/* A zygote may take its time; but a step that has come and gone before it could tell that it waits would be waited for
 * for ever. 0; 1 when the spawner has gone; -1 when the step has. */
static int wait_for_adoption(int report, const sigset_t *before, struct adoption *adoption)
{
    struct pollfd asked = {.fd = report, .events = POLLIN};
    while (ppoll(&asked, 1, NULL, before) < 0 && errno == EINTR) { /* forbidden by a policy: read() waits, too */
        if (!has_living_children())
            return -1;
    }
    return read(report, adoption, sizeof(*adoption)) <= 0;
}

/* Before it is told who that is, nothing is waited for: a step that a zygote forked and that has ended meanwhile is
 * still there to be asked. */
static pid_t adopt_step(const struct sandbox_start *start, struct failure *failure)
{
    struct adoption adoption;
    struct sigaction wakes = {.sa_handler = wake}, sleeps = {.sa_handler = SIG_DFL};
    sigset_t child, before;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigaction(SIGCHLD, &wakes, NULL) || sigprocmask(SIG_BLOCK, &child, &before))
        return fail(failure, STAGE_RESOURCES, NULL);
    if (keep_only_kill(failure))
        return -1;
    int over = report_made(start) ? 1 : wait_for_adoption(start->report, &before, &adoption);
    if (over > 0)
        _exit(0); /* the spawner does not need us any more */
    errno = ECHILD;
    if (over < 0)
        return fail(failure, STAGE_ZYGOTE, NULL);
    sigaction(SIGCHLD, &sleeps, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return adoption.main;
}

static pid_t fork_step(struct sandbox_start *start, struct failure *failure)
{
    if (start->policy->boot.length > 0 && report_made(start))
        _exit(0); /* the spawner does not need us any more */
    pid_t step = fork();
    if (step == 0)
        step_main(start);
    if (step < 0)
        return fail(failure, STAGE_RESOURCES, NULL);
    return keep_only_kill(failure) ? -1 : step;
}

/* The sandboxes below a zygote go on without it, and end with us: the spawner decides when. */
_Noreturn static void outlive(void)
{
    siginfo_t unused = {0};
    for (;;) {
        if (!reap(-1, &unused))
            pause();
    }
}

_Noreturn void init_main(struct sandbox_start *start)
{
    struct failure failure = {0};
    signal(SIGCHLD, SIG_DFL); /* the maker ignores it, and then nothing could be waited for */
    if (make_sandbox(start, &failure)) {
        report_failure(start->report, &failure);
        _exit(1);
    }
    if (start->policy->session)
        serve_session(start);
    pid_t step = start->below ? adopt_step(start, &failure) : fork_step(start, &failure);
    if (step < 0) {
        report_failure(start->report, &failure);
        _exit(1);
    }
    int report = start->report;
    if (report != 3)
        dup3(report, 3, O_CLOEXEC);
    close_range(0, 2, 0);
    close_range(4, ~0u, 0); /* the policy, sockets and /proc of the step are none of init's business */
    siginfo_t end = {0};
    while (end.si_pid == 0 && reap(step, &end)) {
    }
    struct report ended = {.kind = REPORT_ENDED,
                           .wait_code = end.si_code,
                           .wait_status = end.si_status,
                           .scratch_full = is_own_scratch_full(start->policy)};
    ended.killed = start->policy->zygote ? 0 : end_the_rest();
    report_end(3, &ended);
    if (start->policy->zygote)
        outlive();
    _exit(0);
}
