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

/* In a session it may be a command's code that is loaded, and so whatever bounds the session bounds it before it has a
 * job. A later limit can be no higher: that of its job counts keepers which there may be by then. */
static uint32_t process_limit(const struct spawner *spawner, const struct sandbox *sandbox)
{
    enum { KEEPERS = 256 };
    const struct session *session = sandbox->within;
    if (!session || !session->sandbox->step || spawner->cgroups.controllers & 1u << LAYER_PROCESSES)
        return 0;
    uint32_t most = session->sandbox->step->limits.processes;
    return most ? most + 1 + session->commands + KEEPERS : 0;
}

static int send_boot(const struct policy *policy, const struct sandbox *sandbox)
{
    struct job job = {.body_length = policy->boot.length,
                      .in_memory_file = true,
                      .message_length = policy->boot.length,
                      .process_limit = sandbox->boot_processes,
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

static uint64_t memory_limit(const struct sandbox *sandbox)
{
    const struct sandbox *session = sandbox->within->sandbox;
    return session && session->step ? session->step->limits.memory_bytes : 0;
}

/* The longer it has waited, the more rarely: looking takes time, and there may be many that wait for long. */
static int look_later(struct spawner *spawner, struct sandbox *sandbox)
{
    enum { LEAST_NS = 10000000, MOST_NS = 160000000 };
    uint64_t pause = sandbox->look_pause * 5 / 4;
    sandbox->look_pause = pause < LEAST_NS ? LEAST_NS : pause > MOST_NS ? MOST_NS : pause;
    return set_timer(&spawner->timers, &sandbox->look, monotonic_ns() + sandbox->look_pause);
}

static void look_at_booted(struct spawner *spawner, struct timer *timer)
{
    struct sandbox *sandbox = (struct sandbox *)((char *)timer - offsetof(struct sandbox, look));
    uint64_t limit = memory_limit(sandbox);
    bool over = false, all_over = false;
    if (sandbox->state != SANDBOX_READY || limit == 0)
        return;
    bool unseen = watched_memory(sandbox, limit, &over) || (!over && watched_session(sandbox, &all_over));
    if (unseen || over || all_over || look_later(spawner, sandbox)) { /* what cannot be watched is not let run */
        back_off(sandbox->policy);
        end_sandbox(spawner, sandbox);
    }
}

int boot_sandbox(struct spawner *spawner, struct sandbox *sandbox, struct failure *failure)
{
    const struct policy *policy = sandbox->policy;
    struct start start;
    if (!boots(policy))
        return 0;
    sandbox->boot_processes = process_limit(spawner, sandbox);
    if (read_start(policy->boot, &start) ||
        limit_cgroup(sandbox->slot->cgroups, &sandbox->slot->cgroup, &start.limits, sandbox->within ? 0 : 1) ||
        send_boot(policy, sandbox))
        return fail(failure, STAGE_RESOURCES, NULL);
    sandbox->look.expired = look_at_booted;
    if (sandbox->within && sandbox->watched_proc >= 0 && look_later(spawner, sandbox))
        return fail(failure, STAGE_RESOURCES, NULL);
    return 0;
}
