/* Programs that start before they have a job: a runtime that cannot be forked is warm when its job comes all the same.
 * Runs in the spawner. The program is the first job of a confined step; the step's own comes the same way, and the
 * runtime takes it (zygote/fork.c). */
#include "spawner/spawner.h"

#include <sys/socket.h>

bool boots(const struct policy *policy)
{
    return policy->boot.length > 0;
}

bool has_foreign_ends(const struct policy *policy)
{
    return policy->below || boots(policy);
}

static int send_boot(const struct policy *policy, const struct sandbox *sandbox)
{
    struct job job = {.body_length = policy->boot.length,
                      .in_memory_file = true,
                      .message_length = policy->boot.length,
                      .boots = true};
    struct iovec part = {&job, sizeof(job)};
    autoclose int message = sealed_file(policy->boot);
    autoclose int input = sealed_file(policy->boot_input);
    int descriptors[] = {message, input};
    if (message < 0 || input < 0)
        return -1;
    /* Or the runtime could not open its /dev/stdin. */
    if (sandbox->slot->identity.leased && fchown(input, sandbox->slot->identity.step, sandbox->slot->identity.step))
        return -1;
    return send_packet(sandbox->jobs, &part, 1, descriptors, 2, MSG_DONTWAIT);
}

int boot_sandbox(const struct spawner *spawner, struct sandbox *sandbox, struct failure *failure)
{
    const struct policy *policy = sandbox->policy;
    struct start start;
    if (!boots(policy))
        return 0;
    if (read_start(policy->boot, &start) || limit_cgroup(&spawner->cgroups, &sandbox->slot->cgroup, &start.limits, 1) ||
        send_boot(policy, sandbox))
        return fail(failure, STAGE_RESOURCES, NULL);
    return 0;
}
