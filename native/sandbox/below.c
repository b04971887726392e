/* A sandbox that a zygote can enter: its namespaces belong to the zygote's user namespace, its pid namespace lies below
 * the zygote's. Runs in the maker.
 * A helper stands between the maker and init: born in the zygote's pid namespace, it mounts with the maker's privileges
 * what needs them, gives those up by entering the zygote's user namespace, and clones init there. By its end init
 * becomes a child of the zygote's own init, which reaps it at once: a zombie would keep that from ending. The kernel
 * locks all mounts of a copy that is made in a lesser user namespace, so neither the zygote nor anything below it can
 * undo one. */
#include "sandbox/internal.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "common/packet.h"

/* helper -> maker, with the pidfd of init */
struct outcome {
    bool made;
    struct failure failure;
};

/* Init sends its own directory of /proc: by a number this process could not name it. */
static int serve_init(const struct sandbox_start *start, int sync, struct failure *failure)
{
    char byte = 0;
    struct packet packet;
    if (receive_packet(sync, &byte, 1, &packet, 0) <= 0 || packet.descriptor_count != 1)
        return fail(failure, STAGE_LOST, NULL); /* init has told the spawner why */
    /* The app's own id, which we have, may have another number in the zygote's namespace. */
    struct identity identity = start->identity;
    if (!identity.leased)
        identity.step = getuid();
    if (map_sandbox_ids(start->policy, packet.descriptors[0], &identity, NULL, 0))
        return fail_layer(failure, LAYER_USER);
    close_packet(&packet);
    return write(sync, "g", 1) == 1 ? 0 : fail(failure, STAGE_LOST, NULL);
}

static int help(struct sandbox_start *start, int user, int cgroup, int *pidfd, struct failure *failure)
{
    int pair[2];
    if (mount_contents(start, failure))
        return -1;
    if (setns(user, CLONE_NEWUSER))
        return fail_layer(failure, LAYER_USER);
    if (packet_pair(pair))
        return fail(failure, STAGE_RESOURCES, NULL);
    pid_t pid = clone_init(start, cgroup, pidfd);
    if (pid == 0) {
        close(pair[0]);
        start->sync = pair[1];
        init_main(start);
    }
    close(pair[1]);
    if (pid < 0)
        return fail(failure, STAGE_RESOURCES, NULL);
    if (!serve_init(start, pair[0], failure))
        return 0;
    kill(pid, SIGKILL);
    return -1;
}

_Noreturn static void help_main(struct sandbox_start *start, int user, int cgroup, int result)
{
    struct outcome outcome = {0};
    struct iovec part = {&outcome, sizeof(outcome)};
    int pidfd = -1;
    /* Neither this process nor init ends with the maker: with its socket in their hands nobody would hear that it has.
     */
    close(MAKER_SOCKET);
    outcome.made = !help(start, user, cgroup, &pidfd, &outcome.failure);
    _exit(send_packet(result, &part, 1, &pidfd, outcome.made ? 1 : 0, 0) ? 1 : 0);
}

int make_below(struct sandbox_start *start, const int zygote[2], int cgroup, int *pidfd, struct failure *failure)
{
    static bool joined;
    struct outcome outcome;
    struct packet packet;
    int pair[2];
    if (packet_pair(pair))
        return fail(failure, STAGE_RESOURCES, NULL);
    autoclose int ours = pair[0];
    autoclose int theirs = pair[1];
    /* For this one child: what else the maker forks is none of the zygote's. Without the host's privileges there is no
     * way back, and nothing else is forked. */
    autoclose int own = openat(start->proc, "self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (own < 0 || (!joined && setns(zygote[1], CLONE_NEWPID)))
        return fail_layer(failure, LAYER_PID);
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        help_main(start, zygote[0], cgroup, theirs);
    int error = errno;
    joined = setns(own, CLONE_NEWPID) != 0;
    errno = error;
    if (pid < 0)
        return fail(failure, STAGE_RESOURCES, NULL);
    close_descriptor(&theirs);
    if (receive_packet(ours, &outcome, sizeof(outcome), &packet, 0) <= 0 || packet.length != sizeof(outcome))
        return fail(failure, STAGE_LOST, NULL);
    if (!outcome.made)
        *failure = outcome.failure;
    else if (packet.descriptor_count == 1)
        *pidfd = take_descriptor(&packet.descriptors[0]);
    else
        fail(failure, STAGE_RESOURCES, NULL);
    close_packet(&packet);
    return *pidfd >= 0 ? 0 : -1;
}
