/* Namespaces that one sandbox leaves to another: the user namespace of a leased identity, kept with its slot, and net
 * namespaces, which the next init enters only when nothing has happened in them (sandbox/net.c). Runs in the spawner.
 * They come back when the last process of a sandbox has ended, and only under policies that say so
 * (src/policy/reuse.ts). */
#include "spawner/spawner.h"

#include <sched.h>

const char *const NAMESPACE_NAMES[NAMESPACES] = {"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"};

/* A filter over the app may refuse to enter namespaces, and everything else works without. */
bool may_enter_namespaces(void)
{
    return setns(-1, CLONE_NEWNET) && errno == EBADF;
}

/* What a step set going in a namespace it left shows only a moment later: the kernel reports the members of a multicast
 * group some ticks after the last one has gone. After this time it has, and init sees it. */
static const uint64_t REST_NS = 50000000u;

static int take_spare_net(struct spawner *spawner)
{
    struct spare_net *spares = spawner->spare_nets;
    if (spawner->spare_net_count == 0 || spares[0].since + REST_NS > monotonic_ns())
        return -1;
    int fd = spares[0].fd;
    memmove(spares, spares + 1, --spawner->spare_net_count * sizeof(*spares));
    return fd;
}

static bool user_fits(const struct slot *slot, const struct policy *policy)
{
    return slot->user >= 0 && policy->reuse_user && slot->user_uid == policy->uid && slot->user_gid == policy->gid &&
           slot->user_identity.step == slot->identity.step && slot->user_identity.root == slot->identity.root;
}

size_t lend_namespaces(struct spawner *spawner, struct sandbox *sandbox, struct make_request *request, int out[2])
{
    const struct policy *policy = sandbox->policy;
    struct slot *slot = sandbox->slot;
    size_t count = 0;
    if (policy->reuse_net)
        sandbox->net = take_spare_net(spawner);
    if (sandbox->net >= 0) {
        request->has_net = true;
        out[count++] = sandbox->net;
    }
    if (!user_fits(slot, policy))
        close_descriptor(&slot->user);
    sandbox->user = take_descriptor(&slot->user);
    if (sandbox->user >= 0) {
        request->has_user = true;
        out[count++] = sandbox->user;
    }
    return count;
}

void take_namespaces_back(struct spawner *spawner, struct sandbox *sandbox)
{
    struct slot *slot = sandbox->slot;
    if (sandbox->net >= 0 && spawner->spare_net_count < SPARE_NETS)
        spawner->spare_nets[spawner->spare_net_count++] =
            (struct spare_net){take_descriptor(&sandbox->net), monotonic_ns()};
    if (sandbox->policy->reuse_user && sandbox->user >= 0) {
        slot->user = take_descriptor(&sandbox->user);
        slot->user_uid = sandbox->policy->uid;
        slot->user_gid = sandbox->policy->gid;
        slot->user_identity = slot->identity;
    }
}

void close_namespaces(struct sandbox *sandbox)
{
    close_descriptor(&sandbox->net);
    close_descriptor(&sandbox->user);
}

void close_spare_nets(struct spawner *spawner)
{
    while (spawner->spare_net_count > 0)
        close_descriptor(&spawner->spare_nets[--spawner->spare_net_count].fd);
}
