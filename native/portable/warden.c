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
#include <linux/landlock.h>
#include <linux/sched.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/packet.h"
#include "sandbox/files.h"

enum { KEPT_REPORT = 3, KEPT_SCRATCH };

static int join_cgroups(const struct sandbox_start *start, int cgroup, struct failure *failure)
{
    if (cgroup >= 0 && write_file_at(cgroup, "cgroup.procs", "0"))
        return fail_layer(failure, LAYER_MEMORY);
    for (size_t i = 0; i < start->attach_count; i++) {
        if (write(start->attach[i], "0", 1) != 1)
            return fail_layer(failure, LAYER_MEMORY);
        close(start->attach[i]);
    }
    return 0;
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

/* For kill(-1): signals reach nobody outside of the domain that begins here. */
static int enclose_signals(const struct places *places, struct failure *failure)
{
    struct {
        uint64_t files, net, scoped;
    } handled = {.files = LANDLOCK_ACCESS_FS_REFER, .scoped = 1 << 1 /* LANDLOCK_SCOPE_SIGNAL */};
    errno = EOPNOTSUPP;
    if (places->abi < 6)
        return fail_layer(failure, LAYER_LANDLOCK);
    autoclose int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
    autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* Moves between directories are refused by every domain that does not permit them, once there is one over files. */
    struct landlock_path_beneath_attr moves = {.allowed_access = LANDLOCK_ACCESS_FS_REFER, .parent_fd = root};
    if (ruleset < 0 || syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &moves, 0) ||
        syscall(SYS_landlock_restrict_self, ruleset, 0))
        return fail_layer(failure, LAYER_LANDLOCK);
    return 0;
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

static void kill_all(int signal)
{
    (void)signal;
    kill(-1, SIGKILL);
}

/* The spawner's way to end a sandbox, and what a maker's end comes as. Never before the ids are those of the warden:
 * with others kill(-1) would reach others. */
static int be_endable(const struct sandbox_start *start, struct failure *failure)
{
    struct sigaction ends = {.sa_handler = kill_all, .sa_flags = SA_RESTART};
    struct pollfd maker = {.fd = start->parent, .events = POLLIN};
    if (sigaction(SIGTERM, &ends, NULL))
        return fail(failure, STAGE_RESOURCES, NULL);
    return prctl(PR_SET_PDEATHSIG, SIGTERM) || poll(&maker, 1, 0) != 0 ? fail(failure, STAGE_MAKER, NULL) : 0;
}

/* It waits until the warden has given up what it must not have beside foreign code. */
_Noreturn static void begin_step(struct sandbox_start *start, int turn)
{
    char byte;
    struct failure failure;
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

static uint32_t end_the_rest(void)
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

_Noreturn static void warden_main(const struct places *places, struct sandbox_start *start, int cgroup)
{
    struct failure failure = {0};
    sigset_t none;
    sigemptyset(&none);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL); /* the maker blocks what tells it of our end */
    prctl(PR_SET_NAME, "sandbox-warden");
    bool ready = !join_cgroups(start, cgroup, &failure) && !give_up_privileges(start, &failure) &&
                 (start->identity.leased || !enclose_signals(places, &failure));
    if (ready && prctl(PR_SET_CHILD_SUBREAPER, 1))
        ready = fail(&failure, STAGE_RESOURCES, NULL) == 0;
    if (ready)
        ready = leave_keyring(start, &failure) == 0;
    pid_t step = ready ? fork_step(start, &failure) : -1;
    if (step < 0) {
        report_failure(start->report, &failure);
        _exit(1); /* a step that waits for its turn ends with that pipe */
    }
    int report = fcntl(start->report, F_DUPFD_CLOEXEC, KEPT_SCRATCH + 1);
    int scratch = fcntl(start->scratch, F_DUPFD_CLOEXEC, KEPT_SCRATCH + 1);
    if (report >= 0 && scratch >= 0 && dup3(report, KEPT_REPORT, O_CLOEXEC) >= 0 &&
        dup3(scratch, KEPT_SCRATCH, O_CLOEXEC) >= 0) {
        close_range(0, 2, 0);
        close_range(KEPT_SCRATCH + 1, ~0u, 0);
    }
    siginfo_t end = {0};
    while (end.si_pid == 0 && reap(step, &end)) {
    }
    struct report ended = {.kind = REPORT_ENDED, .wait_code = end.si_code, .wait_status = end.si_status};
    ended.killed = end_the_rest();
    report_end(KEPT_REPORT, &ended);
    empty_scratch(start->policy, KEPT_SCRATCH);
    _exit(0);
}

/* ------------------------------------------------------------ the maker's side */

struct warden {
    struct warden *next;
    pid_t pid;
    uint64_t sandbox;
    struct identity identity;
};

static void wake(int signal)
{
    (void)signal;
}

/* The maker is the parent of what a warden leaves that has been killed: by whoever is not ours, for no step can. */
int prepare_wardens(void)
{
    struct sigaction wakes = {.sa_handler = wake};
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    return prctl(PR_SET_CHILD_SUBREAPER, 1) || sigaction(SIGCHLD, &wakes, NULL) || sigprocmask(SIG_BLOCK, &child, NULL)
               ? -1
               : 0;
}

void wait_for_message(const struct places *places, struct warden **wardens, int socket)
{
    struct pollfd message = {.fd = socket, .events = POLLIN};
    sigset_t none;
    sigemptyset(&none);
    while (ppoll(&message, 1, NULL, &none) <= 0)
        look_after_wardens(places, wardens);
}

static bool is_warden(const struct warden *wardens, pid_t pid)
{
    while (wardens && wardens->pid != pid)
        wardens = wardens->next;
    return wardens != NULL;
}

/* Children of ours that no warden is. */
static void kill_children(const struct warden *wardens)
{
    FILE *list = fopen("/proc/thread-self/children", "re");
    int pid;
    while (list && fscanf(list, "%d", &pid) == 1) {
        if (!is_warden(wardens, pid))
            kill(pid, SIGKILL);
    }
    if (list)
        fclose(list);
}

/* Under an id that only the step has, all at once; otherwise round by round, as they become children of ours. */
static void kill_orphans(const struct warden *wardens, const struct identity *identity)
{
    if (!identity->leased) {
        kill_children(wardens);
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        if (setresgid(identity->step, identity->step, identity->step) ||
            setresuid(identity->step, identity->step, identity->step))
            _exit(1);
        kill(-1, SIGKILL);
        _exit(0);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

/* Whether some child of ours is no warden; those that have ended are waited for. */
static bool has_orphans(const struct warden *wardens)
{
    FILE *list = fopen("/proc/thread-self/children", "re");
    bool found = false;
    int pid;
    while (list && fscanf(list, "%d", &pid) == 1) {
        if (!is_warden(wardens, pid))
            found |= waitpid(pid, NULL, WNOHANG) == 0;
    }
    if (list)
        fclose(list);
    return found;
}

static void end_orphans(const struct warden *wardens, const struct identity *identity)
{
    enum { MOST_ROUNDS = 10000, PAUSE_MS = 1 };
    for (int i = 0; i < MOST_ROUNDS && has_orphans(wardens); i++) {
        kill_orphans(wardens, identity);
        poll(NULL, 0, PAUSE_MS);
    }
}

/* Its warden has emptied it, if that came to its end by itself. */
static void remove_scratch(const struct places *places, uint64_t sandbox)
{
    struct problem problem;
    char name[24];
    snprintf(name, sizeof(name), "%llu", (unsigned long long)sandbox);
    if (unlinkat(places->scratch, name, AT_REMOVEDIR))
        remove_whole(places->scratch, name, &problem);
}

void look_after_wardens(const struct places *places, struct warden **wardens)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (struct warden **at = wardens; *at; at = &(*at)->next) {
            struct warden *warden = *at;
            if (warden->pid != pid)
                continue;
            *at = warden->next;
            if (!WIFEXITED(status))
                end_orphans(*wardens, &warden->identity);
            remove_scratch(places, warden->sandbox);
            free(warden);
            break;
        }
    }
}

int make_portable(const struct places *places, struct warden **wardens, const struct make_request *request,
                  struct sandbox_start *start, int cgroup, int *pidfd, struct failure *failure)
{
    char path[PATH_LIMIT + 1];
    struct warden *warden = calloc(1, sizeof(*warden));
    if (!warden)
        return fail(failure, STAGE_RESOURCES, NULL);
    *warden = (struct warden){.next = *wardens, .sandbox = request->sandbox, .identity = request->identity};
    autoclose int scratch = make_scratch(places, start->policy, request, path, failure);
    autoclose int ruleset = scratch < 0 ? -1 : make_ruleset(places, start->policy, scratch, failure);
    start->scratch = scratch;
    start->scratch_path = path;
    start->ruleset = ruleset;
    /* Not clone3, which the filters of container engines refuse: its flags cannot be seen. */
    warden->pid = ruleset < 0 ? -1 : (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, pidfd, NULL, NULL);
    if (warden->pid == 0)
        warden_main(places, start, cgroup);
    if (warden->pid < 0) {
        if (ruleset >= 0)
            fail(failure, STAGE_RESOURCES, NULL);
        remove_scratch(places, request->sandbox);
        free(warden);
        return -1;
    }
    *wardens = warden;
    return 0;
}
