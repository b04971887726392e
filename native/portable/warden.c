/* The warden: what init is to a sandbox with a pid namespace, where there is none. It forks the step, becomes the
 * parent of whatever below it loses its own, ends all of that, gives up the scratch space and reports.
 * It begins with the spawner's privileges and gives them up before the step is told its job. Runs only our code; the
 * processes below it are hostile.
 *
 * kill(-1) reaches all that the caller may signal, in one go, so that nobody can fork out of its way. The warden may
 * signal nothing but what is below it: by an effective id that only the step has, while the ids by which it could be
 * signalled itself are others; or by Landlock, in a domain around that of the step. */
#include "portable/portable.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/packet.h"
#include "portable/look.h"
#include "sandbox/files.h"
#include "sandbox/landlock.h"

enum { KEPT_REPORT = 3, KEPT_SCRATCH, KEPT_PROC };

static int join_cgroups(struct sandbox_start *start, int cgroup, struct failure *failure)
{
    if (cgroup >= 0 && write_file_at(cgroup, "cgroup.procs", "0"))
        return fail_layer(failure, LAYER_MEMORY);
    return join_attached(start, failure);
}

/* Only root may, of whatever user namespace this is; others keep what a process that gains no privileges cannot use. */
static int give_up_privileges(const struct sandbox_start *start, struct failure *failure)
{
    if (prctl(PR_CAPBSET_READ, CAP_CHOWN) == 1 && prctl(PR_CAPBSET_DROP, CAP_CHOWN)) {
        if (errno == EPERM && !start->identity.leased)
            return 0;
        return fail_layer(failure, LAYER_CAPABILITIES);
    }
    return drop_bounding_set(start->policy, failure) || lock_securebits(start->policy, failure) ? -1 : 0;
}

/* Who may not do it is under a filter that refuses it to the step, too. */
static int leave_keyring(const struct sandbox_start *start, struct failure *failure)
{
    return join_new_keyring(start->policy, failure) && failure->error != EPERM ? -1 : 0;
}

/* For kill(-1): signals reach nobody outside of the domain that begins here. Where the kernel cannot do that, only an
 * id of one's own bounds them. */
static int enclose_signals(const struct places *places, bool leased, struct failure *failure)
{
    struct handled handled = {.files = RIGHT_REFER, .scoped = SCOPE_SIGNALS};
    errno = EOPNOTSUPP;
    if (places->abi < 6)
        return leased ? 0 : fail_layer(failure, LAYER_LANDLOCK);
    autoclose int ruleset = new_ruleset(&handled, places->abi);
    return ruleset < 0 || allow_moves(ruleset) || enter_domain(ruleset) ? fail_layer(failure, LAYER_LANDLOCK) : 0;
}

/* Who signals a process must have one of its own two ids among those by which that can be signalled: real and saved. */
static int become_warden(const struct sandbox_start *start, struct failure *failure)
{
    const struct identity *identity = &start->identity;
    if (identity->leased && (setgroups(0, NULL) || setresgid(identity->root, identity->step, identity->root)))
        return fail_layer(failure, LAYER_GROUPS);
    if (identity->leased && setresuid(identity->root, identity->step, identity->root))
        return fail_layer(failure, LAYER_UID);
    return keep_capabilities(0, failure);
}

static volatile sig_atomic_t asked_to_end;

static void ask_to_end(int signal)
{
    (void)signal;
    asked_to_end = 1;
}

static void wake(int signal)
{
    (void)signal;
}

/* The spawner's way to end a sandbox, and what a maker's end comes as. Both signals are only taken while we wait. */
static int be_endable(const struct sandbox_start *start, struct failure *failure)
{
    struct sigaction ends = {.sa_handler = ask_to_end}, wakes = {.sa_handler = wake};
    if (sigaction(SIGTERM, &ends, NULL) || sigaction(SIGCHLD, &wakes, NULL))
        return fail(failure, STAGE_RESOURCES, NULL);
    return end_with_maker(start, SIGTERM, failure);
}

/* It waits until the warden has given up what it must not have beside foreign code. */
_Noreturn static void begin_step(struct sandbox_start *start, int turn)
{
    char byte;
    struct failure failure;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (show_itself(start->ruleset)) {
        fail_layer(&failure, LAYER_LANDLOCK);
        report_failure(start->report, &failure);
        _exit(1);
    }
    if (read(turn, &byte, 1) != 1)
        _exit(1);
    close(turn);
    step_main(start);
}

static pid_t fork_step(struct sandbox_start *start, struct failure *failure)
{
    int turn[2];
    struct report made = {.kind = REPORT_MADE};
    struct iovec part = {&made, sizeof(made)};
    if (pipe2(turn, O_CLOEXEC))
        return fail(failure, STAGE_RESOURCES, NULL);
    autoclose int theirs = turn[0];
    autoclose int ours = turn[1];
    pid_t step = fork();
    if (step == 0) {
        close(ours);
        begin_step(start, take_descriptor(&theirs));
    }
    if (step < 0)
        return fail(failure, STAGE_RESOURCES, NULL);
    if (become_warden(start, failure) || be_endable(start, failure))
        return -1;
    if (send_packet(start->report, &part, 1, NULL, 0, 0) || write(ours, "g", 1) != 1)
        return fail(failure, STAGE_LOST, NULL);
    return step;
}

/* ------------------------------------------------------------ while the step runs */

static const uint64_t MS = 1000000;

struct watch {
    int proc;
    const struct define *policy;
    const char *scratch;
    struct watched_limits limits;
    uint64_t memory_at, scratch_at; /* when to look next; 0: never */
    unsigned unseen;                /* looks in a row that failed */
    enum over over;
    int over_error;
};

/* The longer a look takes, the rarer it is: a step can make it long, and others have as much of the processors. */
static uint64_t next_look(uint64_t began, uint64_t least, uint64_t times)
{
    uint64_t now = monotonic_ns(), pause = (now - began) * times;
    return now + (pause < least ? least : pause);
}

/* While it executes a program a process can be looked at by nobody, for a moment. */
static enum over judge(struct watch *watch, enum over seen)
{
    enum { MOST_UNSEEN = 8 };
    watch->over_error = errno;
    watch->unseen = seen == OVER_UNSEEN ? watch->unseen + 1 : 0;
    return seen == OVER_UNSEEN && watch->unseen < MOST_UNSEEN ? OVER_NOTHING : seen;
}

static void look(struct watch *watch)
{
    uint64_t began = monotonic_ns();
    if (watch->memory_at && watch->memory_at <= began) {
        watch->over = judge(watch, look_at_memory(watch->proc, watch->limits.memory_bytes));
        watch->memory_at = next_look(began, watch->unseen ? MS : 10 * MS, 4);
    }
    began = monotonic_ns();
    if (!watch->over && watch->scratch_at && watch->scratch_at <= began) {
        watch->over =
            judge(watch, look_at_scratch(watch->proc, watch->policy, watch->scratch, watch->limits.scratch_bytes));
        watch->scratch_at = next_look(began, watch->unseen ? MS : 20 * MS, 8);
    }
}

/* False: the spawner has gone, or speaks of something else. */
static bool take_limits(struct watch *watch)
{
    ssize_t got = recv(KEPT_REPORT, &watch->limits, sizeof(watch->limits), MSG_DONTWAIT);
    if (got != sizeof(watch->limits))
        return got < 0 && errno == EAGAIN;
    watch->memory_at = watch->limits.memory_bytes ? monotonic_ns() : 0;
    watch->scratch_at = watch->limits.scratch_bytes ? monotonic_ns() : 0;
    return true;
}

/* Until something is there to be done. While it is being ended, soon: who was not yet below its id when the signal went
 * out is met by the next one. */
static void wait_a_while(struct watch *watch, bool ending)
{
    struct pollfd spawner = {.fd = KEPT_REPORT, .events = POLLIN};
    struct timespec pause = {.tv_nsec = 5 * (long)MS};
    uint64_t now = monotonic_ns(), at = watch->memory_at;
    sigset_t none;
    sigemptyset(&none);
    if (!at || (watch->scratch_at && watch->scratch_at < at))
        at = watch->scratch_at;
    if (!ending && at > now)
        pause = (struct timespec){.tv_sec = (time_t)((at - now) / 1000000000u),
                                  .tv_nsec = (long)((at - now) % 1000000000u)};
    if (!ending && at && at <= now)
        return;
    ppoll(&spawner, ending ? 0 : 1, ending || at ? &pause : NULL, &none);
    if (!ending && spawner.revents)
        asked_to_end |= !take_limits(watch);
}

static void watch_over(pid_t step, struct watch *watch, siginfo_t *end)
{
    while (end->si_pid == 0) {
        siginfo_t info = {0};
        while (!waitid(P_ALL, 0, &info, WEXITED | WNOHANG) && info.si_pid != 0) {
            if (info.si_pid == step)
                *end = info;
            info.si_pid = 0;
        }
        if (end->si_pid != 0)
            return;
        if (!asked_to_end && !watch->over)
            look(watch);
        bool ending = asked_to_end || watch->over;
        if (ending)
            kill(-1, SIGKILL);
        wait_a_while(watch, ending);
    }
}

/* With the step's rights: what it took from itself is given back first. The directories themselves are the maker's. */
static void empty_scratch(const struct define *policy, int scratch)
{
    struct problem problem;
    char name[24];
    for (size_t i = 0; i < policy->mount_count; i++) {
        snprintf(name, sizeof(name), "%zu", i);
        if (policy->mounts[i].kind == MOUNT_SCRATCH)
            remove_whole(scratch, name, &problem);
    }
}

/* The policy, and the step's sockets, are none of the warden's business. */
static int keep_descriptors(const struct sandbox_start *start)
{
    int report = fcntl(start->report, F_DUPFD_CLOEXEC, KEPT_PROC + 1);
    int scratch = fcntl(start->scratch, F_DUPFD_CLOEXEC, KEPT_PROC + 1);
    int proc = fcntl(start->proc, F_DUPFD_CLOEXEC, KEPT_PROC + 1);
    if (report < 0 || scratch < 0 || proc < 0 || dup3(report, KEPT_REPORT, O_CLOEXEC) < 0 ||
        dup3(scratch, KEPT_SCRATCH, O_CLOEXEC) < 0 || dup3(proc, KEPT_PROC, O_CLOEXEC) < 0)
        return -1;
    close_range(0, 2, 0);
    return close_range(KEPT_PROC + 1, ~0u, 0);
}

_Noreturn void warden_main(const struct places *places, struct sandbox_start *start, int cgroup)
{
    struct failure failure = {0};
    sigset_t taken;
    sigemptyset(&taken);
    sigaddset(&taken, SIGCHLD);
    sigaddset(&taken, SIGTERM);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &taken, NULL);
    prctl(PR_SET_NAME, "sandbox-warden");
    bool ready = !join_cgroups(start, cgroup, &failure) && !give_up_privileges(start, &failure) &&
                 !enclose_signals(places, start->identity.leased, &failure);
    if (ready && prctl(PR_SET_CHILD_SUBREAPER, 1))
        ready = fail(&failure, STAGE_RESOURCES, NULL) == 0;
    if (ready)
        ready = leave_keyring(start, &failure) == 0;
    pid_t step = ready ? fork_step(start, &failure) : -1;
    if (step < 0) {
        report_failure(start->report, &failure);
        _exit(1); /* a step that waits for its turn ends with that pipe */
    }
    if (keep_descriptors(start)) {
        fail(&failure, STAGE_RESOURCES, NULL);
        report_failure(start->report, &failure);
        end_the_rest();
        _exit(1);
    }
    siginfo_t end = {0};
    struct watch watch = {.proc = KEPT_PROC, .policy = start->policy, .scratch = start->scratch_path};
    watch_over(step, &watch, &end);
    struct report ended = {.kind = REPORT_ENDED,
                           .wait_code = end.si_code,
                           .wait_status = end.si_status,
                           .over = end.si_code == CLD_EXITED ? OVER_NOTHING : watch.over,
                           .over_error = watch.over_error};
    ended.scratch_full = ended.over == OVER_SCRATCH;
    ended.killed = end_the_rest();
    report_end(KEPT_REPORT, &ended);
    empty_scratch(start->policy, KEPT_SCRATCH);
    _exit(0);
}
