/* Makers: the processes that make the sandboxes of one policy each, from their start to their end. Runs in the spawner.
 */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void drop_ready(struct spawner *spawner, struct policy *policy)
{
    while (policy->ready)
        end_sandbox(spawner, policy->ready);
    while (policy->empty)
        end_sandbox(spawner, policy->empty);
}

bool has_maker(const struct policy *policy)
{
    return policy->within ? policy->maker.fd >= 0 : policy->maker_pid != 0;
}

/* It ends by itself when its socket closes. A helper of its own (sandbox/below.c) that it left behind would become the
 * child of the machine's init, and keep the zygote's pid namespace from ending until that has reaped it, if it ever
 * does. */
static bool has_left(pid_t maker)
{
    enum { TRIES = 100, PAUSE_US = 200 };
    for (int i = 0; i < TRIES; i++) {
        if (waitpid(maker, NULL, WNOHANG) != 0)
            return true;
        usleep(PAUSE_US);
    }
    return false;
}

static void stop_maker(struct spawner *spawner, struct policy *policy)
{
    unwatch(spawner, &policy->maker);
    if (policy->maker_pid > 0 && !(policy->below && has_left(policy->maker_pid))) {
        kill(policy->maker_pid, SIGKILL);
        waitpid(policy->maker_pid, NULL, 0);
    }
    policy->maker_pid = 0;
}

/* Sandboxes that were on their way when the maker died end with it. Whether the last trace of them is gone cannot be
 * seen without a pidfd, so their slots are not used again. */
static void drop_unmade(struct spawner *spawner, struct policy *policy)
{
    for (struct sandbox *next, *sandbox = spawner->others; sandbox; sandbox = next) {
        next = sandbox->next;
        if (sandbox->policy != policy || sandbox->state != SANDBOX_MAKING)
            continue;
        if (sandbox->life.fd >= 0) {
            end_sandbox(spawner, sandbox);
            continue;
        }
        sandbox->slot->retired = true;
        drop_sandbox(spawner, sandbox);
    }
}

static void drop_maker(struct spawner *spawner, struct policy *policy)
{
    stop_maker(spawner, policy);
    back_off(policy);
    drop_unmade(spawner, policy);
    drop_ready(spawner, policy);
}

void rest_policy(struct spawner *spawner, struct policy *policy)
{
    policy->resting = true;
    stop_maker(spawner, policy);
    drop_ready(spawner, policy);
}

void end_maker(struct spawner *spawner, struct policy *policy, const struct failure *failure)
{
    drop_maker(spawner, policy);
    fail_queue(spawner, policy, failure);
}

/* It died, and that is nothing that a step has to suffer for: another one is started. Only those that have waited for
 * two makers in a row, neither of which made a sandbox, fail. */
static void maker_died(struct spawner *spawner, struct policy *policy, const struct failure *failure)
{
    uint64_t before = policy->maker_died_at;
    drop_maker(spawner, policy);
    policy->maker_died_at = monotonic_ns();
    while (policy->queue_first && policy->queue_first->queued_at <= before)
        fail_step(spawner, policy->queue_first, failure);
    want_refill(spawner, policy);
}

/* Its end comes in one with that of its sandboxes, and is told only when the last of them has let go of its socket. */
bool is_maker_gone(struct spawner *spawner, const struct policy *policy)
{
    siginfo_t end = {0};
    if (policy->within) /* one that is about to be over takes no more, and what its commands fail by is that */
        return !has_maker(policy) || !find_session(spawner, policy->within);
    return policy->maker_pid <= 0 ||
           (!waitid(P_PID, (id_t)policy->maker_pid, &end, WEXITED | WNOHANG | WNOWAIT) && end.si_pid != 0);
}

/* The policies within a session have one socket between them: who reads first hears for all. */
static struct policy *policy_of(const struct spawner *spawner, uint64_t sandbox_id, struct policy *reader)
{
    for (const struct sandbox *sandbox = spawner->others; sandbox && reader->within; sandbox = sandbox->next) {
        if (sandbox->id == sandbox_id && sandbox->policy->within == reader->within)
            return sandbox->policy;
    }
    return reader;
}

void maker_ready(struct spawner *spawner, struct watch *watch, uint32_t events)
{
    struct policy *policy = (struct policy *)((char *)watch - offsetof(struct policy, maker));
    struct make_reply reply = {0};
    struct packet packet;
    (void)events;
    int got = receive_packet(watch->fd, &reply, sizeof(reply), &packet, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 || packet.length != sizeof(reply)) {
        struct failure failure = {.stage = STAGE_MAKER, .error = got == 0 ? 0 : errno};
        close_packet(&packet);
        if (policy->within) {
            failure = (struct failure){.stage = STAGE_SESSION};
            end_maker(spawner, policy, &failure);
        } else if (policy->is_broken)
            end_maker(spawner, policy, &policy->broken);
        else
            maker_died(spawner, policy, &failure);
        return;
    }
    if (reply.sandbox == 0) {
        policy->is_broken = true;
        policy->broken = reply.failure;
        close_packet(&packet);
        return; /* its end follows */
    }
    if (reply.verb != VERB_MAKE) {
        close_packet(&packet);
        session_obeyed(spawner, &reply);
        return;
    }
    policy = policy_of(spawner, reply.sandbox, policy);
    int pidfd = packet.descriptor_count > 0 ? take_descriptor(&packet.descriptors[0]) : -1;
    close_packet(&packet);
    sandbox_made(spawner, &reply, pidfd);
    fill_pool(spawner, policy);
}

/* The places that the maker's two shall take are those of the spawner's own first ones: what stands there is moved, the
 * others stay, so that a full table does not matter. */
static int out_of_the_way(int fd)
{
    return fd >= MAKER_FIRST_FREE ? fd : fcntl(fd, F_DUPFD_CLOEXEC, MAKER_FIRST_FREE);
}

_Noreturn static void become_maker(struct spawner *spawner, const struct policy *policy, const char *directory,
                                   int socket, int message)
{
    char program[] = "spawn-sandbox", maker[] = "maker", portable[] = "portable-maker";
    char *argv[] = {program, policy->portable ? portable : maker, (char *)(uintptr_t)directory, NULL};
    char *env[] = {NULL};
    int self = out_of_the_way(spawner->self);
    socket = out_of_the_way(socket);
    message = out_of_the_way(message);
    if (self < 0 || dup3(socket, MAKER_SOCKET, 0) < 0 || dup3(message, MAKER_POLICY, 0) < 0)
        _exit(1);
    close_range(MAKER_FIRST_FREE, ~0u, CLOSE_RANGE_CLOEXEC);
    syscall(SYS_execveat, self, "", argv, env, AT_EMPTY_PATH);
    _exit(1);
}

int sealed_file(struct bytes content)
{
    int fd = memfd_create("policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (pwrite(fd, content.data, content.length, 0) != (ssize_t)content.length ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        close_descriptor(&fd);
    return fd;
}

int start_maker(struct spawner *spawner, struct policy *policy, struct failure *failure)
{
    int pair[2];
    char scratch[PATH_LIMIT + 1];
    if (policy->within)
        return open_session(spawner, policy, failure);
    if (spawner->no_user_namespace.stage && !policy->portable) {
        *failure = spawner->no_user_namespace;
        failure->by = policy->needs_namespaces ? BY_NEEDS_NAMESPACES : BY_UNSPECIFIED;
        return -1;
    }
    if (policy->portable && make_scratch_directory(spawner, scratch, failure))
        return -1;
    const char *directory = policy->portable ? scratch : policy->scratch_on_disk ? spawner->scratch_directory : NULL;
    if (packet_pair(pair))
        return fail(failure, STAGE_RESOURCES, NULL);
    autoclose int ours = pair[0];
    autoclose int theirs = pair[1];
    autoclose int message = sealed_file(policy->message);
    if (message < 0)
        return fail(failure, STAGE_RESOURCES, NULL);
    pid_t pid = fork();
    if (pid == 0)
        become_maker(spawner, policy, directory, theirs, message);
    if (pid < 0)
        return fail(failure, STAGE_RESOURCES, NULL);
    policy->maker_pid = pid;
    if (watch_descriptor(spawner, &policy->maker, ours, EPOLLIN, maker_ready)) {
        fail(failure, STAGE_RESOURCES, NULL);
        policy->maker.fd = -1;
        stop_maker(spawner, policy);
        return -1;
    }
    take_descriptor(&ours);
    return 0;
}
