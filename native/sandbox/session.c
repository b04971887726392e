/* The init of a sandbox that lives until it is ended: it starts the commands that the spawner asks for, each below a
 * keeper of its own, which is to a command what init is to a step of its own sandbox. Runs only our code.
 *
 * All commands have the namespaces of the session and one host id; what tells them apart is their parentage (a keeper
 * is the parent of whatever loses its own below it) and, where there are cgroups, a leaf each. */
#include "sandbox/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/packet.h"

/* What a keeper still may: end what is below it, and give the next step its identity before that gives up the rest. */
enum { SESSION_CAPABILITIES = 1u << CAP_KILL | 1u << CAP_SETUID | 1u << CAP_SETGID };

static sigset_t handled; /* SIGCHLD, and what the spawner ends a command by */

/* ------------------------------------------------------------ keepers */

static void kill_children(void)
{
    DIR *processes = opendir("/proc");
    pid_t own = getpid();
    for (const struct dirent *entry; processes && (entry = readdir(processes));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 1 || pid == own)
            continue;
        autoclose int directory = openat(dirfd(processes), entry->d_name, O_DIRECTORY | O_CLOEXEC);
        struct process_stat stat;
        if (directory >= 0 && !read_stat(directory, "stat", &stat) && stat.parent == own)
            kill(pid, SIGKILL);
    }
    if (processes)
        closedir(processes);
}

static bool reap_one(siginfo_t *end, int flags)
{
    *end = (siginfo_t){0};
    int failed;
    while ((failed = waitid(P_ALL, 0, end, WEXITED | flags)) && errno == EINTR) {
    }
    return !failed && end->si_pid != 0;
}

static bool has_children(void)
{
    siginfo_t unused;
    return waitid(P_ALL, 0, &unused, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

/* What loses its parent becomes a child of ours, so that round by round nobody is left. Who forks faster than that is
 * stopped by the spawner, who then permits no more processes. */
static uint32_t end_all_below(void)
{
    siginfo_t end;
    uint32_t killed = 0;
    for (;;) {
        if (!has_children())
            return killed;
        kill_children();
        if (!reap_one(&end, 0))
            return killed;
        do
            killed++;
        while (reap_one(&end, WNOHANG));
    }
}

_Noreturn static void begin_command(struct sandbox_start *start)
{
    struct failure failure = {0};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (join_attached(start, &failure) || join_new_keyring(start->policy, &failure)) {
        report_failure(start->report, &failure);
        _exit(1);
    }
    step_main(start);
}

/* Whether it still is our code, on its way or parked: the kernel's flag for who was forked and has not executed. */
static bool is_ours(pid_t command)
{
    enum { FORKED_ONLY = 0x40 };
    char path[32];
    struct process_stat stat;
    snprintf(path, sizeof(path), "/proc/%d/stat", command);
    return !read_stat(AT_FDCWD, path, &stat) && stat.flags & FORKED_ONLY;
}

/* Where Landlock does not keep signals back, another command can stop it: nobody would ever wake it. */
static void keep_going(pid_t command)
{
    siginfo_t stop = {0};
    if (!stands_still() && !waitid(P_PID, (id_t)command, &stop, WSTOPPED | WNOHANG) && stop.si_pid == command &&
        is_ours(command))
        kill(command, SIGCONT);
}

/* Until the command has ended, or the spawner ends it by SIGTERM; both signals are blocked since before we were forked.
 * True: by itself. */
static bool wait_for_end(pid_t command, siginfo_t *end, bool *keeps)
{
    for (;;) {
        siginfo_t why = {0};
        int got = sigwaitinfo(&handled, &why);
        if (got == SIGTERM)
            return false;
        /* Nobody in here can send it so: the kernel shows a sender from outside as 0, and lets no other say that. */
        if (got == KEEP_BACKGROUND && why.si_code == SI_USER && why.si_pid == 0)
            *keeps = true;
        siginfo_t one;
        while (reap_one(&one, WNOHANG)) {
            if (one.si_pid == command)
                *end = one;
        }
        if (end->si_pid != 0)
            return true;
        keep_going(command);
    }
}

/* Until nothing is left by itself, or the spawner ends it. */
_Noreturn static void keep_background(void)
{
    while (has_children()) {
        siginfo_t end;
        if (sigwaitinfo(&handled, NULL) == SIGTERM)
            end_all_below();
        while (reap_one(&end, WNOHANG)) {
        }
    }
    _exit(0);
}

_Noreturn static void keep_command(struct sandbox_start *start)
{
    struct failure failure = {0};
    siginfo_t end = {0};
    if (prctl(PR_SET_CHILD_SUBREAPER, 1)) {
        fail(&failure, STAGE_RESOURCES, NULL);
        report_failure(start->report, &failure);
        _exit(0);
    }
    pid_t command = fork();
    if (command == 0)
        begin_command(start);
    if (command < 0 || keep_capabilities(1u << CAP_KILL, &failure)) {
        if (command < 0)
            fail(&failure, STAGE_RESOURCES, NULL);
        report_failure(start->report, &failure);
        end_all_below();
        _exit(0);
    }
    int report = start->report;
    if (report != 3)
        dup3(report, 3, O_CLOEXEC);
    close_range(0, 2, 0);
    close_range(4, ~0u, 0);
    bool keeps = false, by_itself = wait_for_end(command, &end, &keeps);
    uint32_t killed = by_itself && keeps ? 0 : end_all_below();
    struct report ended = {.kind = REPORT_ENDED,
                           .wait_code = end.si_code,
                           .wait_status = end.si_status,
                           .killed = killed,
                           .scratch_full = is_own_scratch_full(start->policy)};
    if (by_itself)
        report_end(3, &ended);
    if (by_itself && keeps)
        keep_background();
    _exit(0);
}

/* ------------------------------------------------------------ init */

static void wake(int signal)
{
    (void)signal;
}

/* A keeper ends by our own code or not at all: whoever ended it has set free what was below it, and that ends now. */
static void reap_keepers(void)
{
    siginfo_t end;
    while (reap_one(&end, WNOHANG)) {
        if (end.si_code == CLD_EXITED && end.si_status == 0)
            continue;
        kill(-1, SIGKILL);
        _exit(1);
    }
}

static int start_command(const struct sandbox_start *session, const struct make_request *request, struct packet *packet,
                         struct failure *failure)
{
    struct sandbox_start start = *session;
    start.report = packet->descriptors[0];
    start.jobs = packet->descriptors[1];
    start.attach_count = request->cgroup_count;
    start.counted = request->memory_counted;
    memcpy(start.attach, &packet->descriptors[2], sizeof(int) * request->cgroup_count);
    pid_t keeper = fork();
    if (keeper == 0) {
        close(session->jobs);
        close(session->report);
        keep_command(&start);
    }
    /* Nobody else waits for it, so the number is its own until we do. */
    int pidfd = keeper < 0 ? -1 : (int)syscall(SYS_pidfd_open, keeper, 0);
    if (pidfd >= 0)
        return pidfd;
    fail(failure, STAGE_RESOURCES, NULL);
    if (keeper > 0)
        kill(keeper, SIGTERM);
    return -1;
}

static void obey(const struct make_request *request, const struct packet *packet, struct failure *failure)
{
    int members = packet->descriptor_count > 0 ? packet->descriptors[0] : -1;
    if (request->verb == VERB_GO_ON)
        go_on();
    else if (packet->truncated || stand_still(members))
        fail(failure, STAGE_RESOURCES, NULL);
}

static int serve_one(const struct sandbox_start *session, const struct stat *root)
{
    struct make_request request = {0};
    struct packet packet;
    int got = receive_packet(session->jobs, &request, sizeof(request), &packet, 0);
    if (got <= 0)
        return -1;
    struct make_reply answer = {.sandbox = request.sandbox, .root_device = root->st_dev, .root_inode = root->st_ino};
    int pidfd = -1;
    answer.verb = request.verb;
    errno = EMFILE;
    if (request.verb != VERB_MAKE)
        obey(&request, &packet, &answer.failure);
    else if (packet.length != sizeof(request) || packet.truncated || request.cgroup_count > ATTACH_LIMIT ||
             packet.descriptor_count != 2 + request.cgroup_count)
        fail(&answer.failure, STAGE_RESOURCES, NULL);
    else
        pidfd = start_command(session, &request, &packet, &answer.failure);
    close_packet(&packet);
    answer.made = pidfd >= 0;
    struct iovec part = {&answer, sizeof(answer)};
    int failed = send_packet(session->jobs, &part, 1, &pidfd, answer.made ? 1 : 0, 0);
    close_descriptor(&pidfd);
    return failed;
}

/* Init lives long, and whatever it has from its maker would be kept open by it and pass through each command's hands.
 * 0, 1 and 2 are taken, so that nothing else gets in the way of what a command finds there. */
static int keep_descriptors(struct sandbox_start *session)
{
    enum { REPORT = 3, JOBS, PROC, SCRATCH, FIRST_FREE };
    int *const kept[] = {&session->report, &session->jobs, &session->proc, &session->scratch};
    size_t count = LENGTH(kept) - (session->scratch < 0 ? 1 : 0);
    for (size_t i = 0; i < count; i++) {
        *kept[i] = fcntl(*kept[i], F_DUPFD_CLOEXEC, FIRST_FREE);
        if (*kept[i] < 0)
            return -1;
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < REPORT; i++) {
        if (null < 0 || (null != i && dup3(null, i, O_CLOEXEC) < 0))
            return -1;
    }
    if (null >= REPORT) /* before its number is another's */
        close(null);
    for (size_t i = 0; i < count; i++) {
        if (dup3(*kept[i], REPORT + (int)i, O_CLOEXEC) < 0)
            return -1;
        *kept[i] = REPORT + (int)i;
    }
    return close_range(FIRST_FREE, ~0u, 0);
}

void serve_session(struct sandbox_start *session)
{
    struct failure failure = {0};
    struct sigaction wakes = {.sa_handler = wake};
    struct stat root;
    sigset_t before;
    sigemptyset(&handled);
    sigaddset(&handled, SIGCHLD);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, KEEP_BACKGROUND);
    if (stat("/", &root) || keep_descriptors(session) || prepare_standing() ||
        sigprocmask(SIG_BLOCK, &handled, &before) || sigaction(SIGCHLD, &wakes, NULL)) {
        fail(&failure, STAGE_RESOURCES, NULL);
        report_failure(session->report, &failure);
        _exit(1);
    }
    if (keep_capabilities(SESSION_CAPABILITIES, &failure)) {
        report_failure(session->report, &failure);
        _exit(1);
    }
    struct report made = {.kind = REPORT_MADE, .users_notes = !session->privileged};
    struct iovec part = {&made, sizeof(made)};
    if (send_packet(session->report, &part, 1, &session->scratch, session->scratch >= 0 ? 1 : 0, 0))
        _exit(0); /* the spawner does not need us any more */
    close_descriptor(&session->scratch);
    for (;;) {
        struct pollfd asked = {.fd = session->jobs, .events = POLLIN};
        int ready = ppoll(&asked, 1, NULL, &before);
        reap_keepers();
        if (ready > 0 && serve_one(session, &root))
            _exit(0); /* the spawner has gone: so does everything here */
    }
}
