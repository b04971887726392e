/* The zygote's side of a fork. Runs in a process whose memory foreign preloads share: nothing that it says is believed
 * by the spawner, which looks at each step itself (spawner/observe.c). */
#include "zygote/zygote.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/packet.h"
#include "sandbox/internal.h"
#include "zygote/mappings.h"
#include "zygote/working_set.h"

struct zygote_request {
    struct fork_request head;
    struct packet packet;
    const struct define *policy;
};

/* Policies seen before. Several are in use only where the app gives its steps different options. */
struct known_policy {
    uint32_t id;
    struct define policy;
};

static struct zygote_request latest;
static struct known_policy *known[POLICY_CACHE];
static size_t next_known;
static struct sandbox_start entered; /* by a step */
static pid_t own_pid, helper_pid;    /* the second one's of a fork, as the sandbox has it */

static int keep_socket(int fd)
{
    struct stat status;
    if (fstat(fd, &status))
        return -1;
    errno = ENOTSOCK;
    return S_ISSOCK(status.st_mode) ? fcntl(fd, F_SETFD, FD_CLOEXEC) : -1;
}

/* What a preload forks shall not talk to the spawner, nor have what the step is given. */
static void close_in_child(void)
{
    if (entered.report == BOOTED_REPORT) {
        close(BOOTED_REPORT);
        close(BOOTED_JOBS);
    }
}

/* A program that boots is confined already, and has a step's two sockets instead of a zygote's one. */
int open_zygote(struct zygote *zygote)
{
    static const struct define no_zygote;
    *zygote = (struct zygote){.control = ZYGOTE_CONTROL, .request = &latest};
    own_pid = getpid();
    if (keep_socket(ZYGOTE_CONTROL))
        return -1;
    zygote->booted = !keep_socket(BOOTED_REPORT);
    if (zygote->booted) {
        zygote->control = -1;
        entered =
            (struct sandbox_start){.policy = &no_zygote, .report = BOOTED_REPORT, .jobs = BOOTED_JOBS, .proc = -1};
        if (pthread_atfork(NULL, NULL, close_in_child))
            return -1;
    }
    return 0;
}

static int tell(const struct zygote *zygote, const struct zygote_message *message, const char *words)
{
    struct iovec parts[] = {{(void *)(uintptr_t)message, sizeof(*message)},
                            {(void *)(uintptr_t)words, strnlen(words, ZYGOTE_WORDS_LIMIT)}};
    return send_packet(zygote->control, parts, 2, NULL, 0, 0);
}

/* Memory that is shared by way of a fork would be that of all steps, and of the zygote: no step gets it, also where it
 * is mapped for reading and only may be written to. What never can be is a file that a step may read anyway. 0, or -1.
 */
static int keep_shared_memory(void)
{
    struct mapping mapping = {0};
    char line[512];
    FILE *maps = fopen("/proc/self/smaps", "re");
    if (!maps)
        return -1;
    while (fgets(line, sizeof(line), maps)) {
        if (read_mapping(line, &mapping) || strncmp(line, "VmFlags:", 8))
            continue;
        if (mapping.access[3] == 's' && strstr(line, " mw"))
            madvise((void *)mapping.start, mapping.end - mapping.start, MADV_DONTFORK);
    }
    fclose(maps);
    return 0;
}

int tell_warm(struct zygote *zygote, const char *words)
{
    fflush(NULL);       /* or each step would say it */
    if (zygote->booted) /* nobody has asked */
        return 0;
    if (keep_shared_memory())
        return -1;
    struct zygote_message message = {.kind = ZYGOTE_WARM};
    return tell(zygote, &message, words);
}

static const struct define *read_policy(uint32_t id, int file)
{
    struct stat status;
    for (size_t i = 0; i < POLICY_CACHE; i++) {
        if (known[i] && known[i]->id == id)
            return &known[i]->policy;
    }
    if (fstat(file, &status) || status.st_size <= 0 || status.st_size > MESSAGE_LIMIT)
        return NULL;
    void *message = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    struct known_policy *policy = malloc(sizeof(*policy));
    /* What an older one took is not given back: a step that is being forked may still use it. */
    if (message == MAP_FAILED || !policy ||
        read_define((struct bytes){message, (size_t)status.st_size}, &policy->policy)) {
        free(policy);
        return NULL;
    }
    policy->id = id;
    known[next_known++ % POLICY_CACHE] = policy;
    return &policy->policy;
}

bool wait_for_fork(struct zygote *zygote)
{
    if (zygote->booted)
        return true;
    struct zygote_request *request = zygote->request;
    for (;;) {
        close_packet(&request->packet);
        if (receive_packet(zygote->control, &request->head, sizeof(request->head), &request->packet, 0) <= 0)
            return false;
        size_t expected = 1 + ENTERED_NAMESPACES + 2 + 1 + request->head.attach_count;
        if (request->packet.length != sizeof(request->head) || request->packet.truncated ||
            request->packet.descriptor_count != expected || request->head.attach_count > ATTACH_LIMIT)
            continue;
        request->policy = read_policy(request->head.policy_id, request->packet.descriptors[1 + ENTERED_NAMESPACES + 2]);
        if (request->policy)
            return true;
        struct zygote_message message = {
            .kind = ZYGOTE_CANNOT_FORK, .sandbox = request->head.sandbox, .error = errno ? errno : EPROTO};
        tell(zygote, &message, "");
    }
}

/* By our own hand, as init does: it spares the kernel a lock that waits. */
static int join_cgroups(const struct zygote_request *request, struct failure *failure)
{
    const int *attach = &request->packet.descriptors[1 + ENTERED_NAMESPACES + 3];
    for (size_t i = 0; i < request->head.attach_count; i++) {
        if (write(attach[i], "0", 1) != 1)
            return fail_layer(failure, LAYER_MEMORY);
    }
    return 0;
}

/* Waits for `pid`, which is no other's to wait for. */
static int outcome_of(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return ECHILD;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

/* Cryptographic libraries see by the number of the process that they were forked, and would otherwise give all steps
 * the same random numbers. In the sandbox's pid namespace numbers begin anew, so a step could have the zygote's. */
static void use_up_own_number(void)
{
    if (getpid() + 1 != own_pid)
        return;
    pid_t unused = vfork();
    if (unused == 0)
        _exit(0);
    outcome_of(unused);
}

/* First of all: whatever the step uses from now on is charged to its own sandbox. */
static void begin_step(const struct zygote *zygote)
{
    struct failure failure = {0};
    if (getpid() == own_pid)
        _exit(1);
    if (join_cgroups(zygote->request, &failure)) {
        report_failure(zygote->request->packet.descriptors[1 + ENTERED_NAMESPACES], &failure);
        _exit(1);
    }
    if (zygote->request->head.ahead) /* as a whole it is no faster, and whoever waits may need less */
        populate_working_set();
}

/* Two processes that share our memory and live for a moment only, so nothing is copied for them:
 *   the first enters the sandbox's pid namespace for its children, which it alone has to undo: it ends;
 *   the second is such a child. It forks the step, and by its end the step becomes a child of the sandbox's init.
 * So the zygote need not be there to reap a step, nor can it keep one's sandbox from ending. */
bool fork_step(struct zygote *zygote)
{
    if (zygote->booted)
        return true;
    struct zygote_request *request = zygote->request;
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before); /* a handler would run in three processes at once */
    volatile int error = 0;
    pid_t first = vfork();
    if (first == 0) {
        if (setns(request->packet.descriptors[0], CLONE_NEWPID))
            _exit(errno);
        pid_t second = vfork();
        if (second == 0) {
            helper_pid = getpid();
            use_up_own_number();
            pid_t step = fork();
            if (step == 0) {
                begin_step(zygote);
                sigprocmask(SIG_SETMASK, &before, NULL);
                return true;
            }
            _exit(step < 0 ? errno : 0);
        }
        _exit(second < 0 ? errno : outcome_of(second));
    }
    error = first < 0 ? errno : outcome_of(first);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (error) {
        struct zygote_message message = {.kind = ZYGOTE_CANNOT_FORK, .sandbox = request->head.sandbox, .error = error};
        tell(zygote, &message, "");
    }
    close_packet(&request->packet);
    return false;
}

/* The second of the two processes above may take a moment to end, and another to be waited for: no step is to find it.
 */
static void wait_for_init(void)
{
    enum { TRIES = 500 };
    struct timespec moment = {.tv_nsec = 20000};
    while (getppid() != 1)
        nanosleep(&moment, NULL);
    for (int i = 0; i < TRIES && !kill(helper_pid, 0); i++)
        nanosleep(&moment, NULL);
}

/* The user namespace last: the right to enter the others comes from the zygote's. */
static int enter_namespaces(const struct zygote_request *request, struct failure *failure)
{
    static const struct {
        int type;
        enum layer layer;
    } NAMESPACES[ENTERED_NAMESPACES] = {{CLONE_NEWCGROUP, LAYER_CGROUP}, {CLONE_NEWIPC, LAYER_IPC},
                                        {CLONE_NEWUTS, LAYER_UTS},       {CLONE_NEWNET, LAYER_NET},
                                        {CLONE_NEWNS, LAYER_MOUNT},      {CLONE_NEWUSER, LAYER_USER}};
    for (size_t i = 0; i < ENTERED_NAMESPACES; i++) {
        bool shared = NAMESPACES[i].type == CLONE_NEWNET && request->policy->host_network;
        if (!shared && setns(request->packet.descriptors[1 + i], NAMESPACES[i].type))
            return fail_layer(failure, NAMESPACES[i].layer);
    }
    return 0;
}

/* What a preload has open is the zygote's: by its files and sockets one step would reach another. */
static void close_foreign(int one, int other)
{
    unsigned low = (unsigned)(one < other ? one : other), high = (unsigned)(one < other ? other : one);
    if (low > 3)
        close_range(3, low - 1, 0);
    if (high > low + 1)
        close_range(low + 1, high - 1, 0);
    close_range(high + 1, ~0u, 0);
}

static int become_step(const struct zygote *zygote, struct sandbox_start *start, struct failure *failure)
{
    struct zygote_request *request = zygote->request;
    const struct define *policy = request->policy;
    if (enter_namespaces(request, failure) || join_new_keyring(policy, failure) || limit_resources(false, failure) ||
        drop_bounding_set(policy, failure) || lock_securebits(policy, failure))
        return -1;
    if (request->head.install_base && install_filter(policy->base_filter, 0))
        return fail_layer(failure, LAYER_SECCOMP);
    start->report = take_descriptor(&request->packet.descriptors[1 + ENTERED_NAMESPACES]);
    start->jobs = take_descriptor(&request->packet.descriptors[1 + ENTERED_NAMESPACES + 1]);
    close_packet(&request->packet);
    if (!zygote->keeps_descriptors)
        close_foreign(start->report, start->jobs);
    return 0;
}

static int take_arguments(struct zygote *zygote, const struct received_job *job)
{
    const struct start *start = &job->start;
    char **lists = calloc(start->argv_count + start->env_count + 2, sizeof(char *));
    char *text = malloc(job->body.length + 1), *directory = malloc(start->cwd.length + 1);
    int *descriptors = calloc(start->further_count + 1, sizeof(int));
    if (!lists || !text || !directory || !descriptors)
        return -1;
    memcpy(descriptors, job->further, start->further_count * sizeof(int));
    zygote->job = (struct zygote_job){.argument_count = start->argv_count,
                                      .environment_count = start->env_count,
                                      .arguments = lists,
                                      .environment = &lists[start->argv_count + 1],
                                      .work_directory = directory,
                                      .descriptor_count = start->further_count,
                                      .descriptors = descriptors};
    read_arguments(job->body, lists, zygote->job.environment, text);
    memcpy(directory, start->cwd.data, start->cwd.length);
    directory[start->cwd.length] = 0;
    return 0;
}

_Noreturn static void refuse(const struct sandbox_start *start, const struct failure *failure)
{
    report_refusal(start->report, failure);
    _exit(127);
}

void enter_sandbox(struct zygote *zygote)
{
    struct zygote_request *request = zygote->request;
    struct failure failure = {0};
    struct report parked;
    int listener = -1;
    if (zygote->booted)
        return;
    entered = (struct sandbox_start){.policy = request->policy,
                                     .identity = {.leased = request->head.leased},
                                     .report = request->packet.descriptors[1 + ENTERED_NAMESPACES],
                                     .jobs = -1,
                                     .proc = -1,
                                     .counted = request->head.counted};
    close(zygote->control);
    zygote->control = -1;
    wait_for_init();
    if (become_step(zygote, &entered, &failure)) {
        report_failure(entered.report, &failure);
        _exit(1);
    }
    if (confine_parked(&entered, &parked, &listener) || report_parked(&entered, &parked, &listener))
        _exit(1);
}

bool wait_until_seen(const struct zygote *zygote)
{
    return !zygote->booted && zygote->request->head.ahead && receive_seen(&entered);
}

const struct zygote_job *wait_for_job(struct zygote *zygote)
{
    struct received_job job = {0};
    struct failure failure = {0};
    if (zygote->booted)
        fflush(NULL);
    int over = receive_job(&entered, false, &job, &failure);
    if (over > 0)
        _exit(0); /* the spawner does not need us any more */
    if (over < 0 || take_arguments(zygote, &job))
        refuse(&entered, &failure);
    if (chdir(zygote->job.work_directory)) {
        fail(&failure, STAGE_WORK_DIRECTORY, zygote->job.work_directory);
        refuse(&entered, &failure);
    }
    close(entered.report);
    close(entered.jobs);
    entered.report = entered.jobs = -1;
    return &zygote->job;
}
