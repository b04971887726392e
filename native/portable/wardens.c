/* How a maker makes sandboxes without namespaces and looks after their wardens: it is their parent, and that of all
 * that one leaves which did not come to its end by itself. Runs in the maker, with the spawner's privileges. */
#include "portable/portable.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sandbox/files.h"

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
