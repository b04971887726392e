/* What is kept ready for nobody: a policy that has not been used for a while keeps one ready sandbox, and of those that
 * have not been used for long only the latest few keep that and their maker. Runs in the spawner, now and then, and
 * not at all when there is nothing left to give up. */
#include "spawner/spawner.h"

static const uint64_t MS = 1000000, NEVER = UINT64_MAX;
enum { BUSY_PART = 6 }; /* of the time after which it counts as unused */

static uint64_t idle_ns(const struct spawner *spawner)
{
    return spawner->configure.idle_ms ? spawner->configure.idle_ms * MS : NEVER;
}

bool is_busy(const struct spawner *spawner, const struct policy *policy)
{
    return monotonic_ns() - policy->last_used < idle_ns(spawner) / BUSY_PART;
}

/* Those below a zygote, and programs that have booted, are there for as long as the app keeps them. */
static bool is_kept(const struct policy *policy)
{
    return policy->below || boots(policy);
}

/* Also those whose sandboxes are being made or ended: they will have been used the next time. */
static void mark_used(struct spawner *spawner)
{
    for (struct policy *policy = spawner->policies; policy; policy = policy->next)
        policy->in_use = policy->queue_first || policy->making > 0;
    for (struct sandbox *sandbox = spawner->others; sandbox; sandbox = sandbox->next)
        sandbox->policy->in_use = true;
}

static bool is_idle(const struct spawner *spawner, const struct policy *policy)
{
    return policy->maker_pid > 0 && !policy->in_use && !policy->forgotten && !is_kept(policy) &&
           monotonic_ns() - policy->last_used >= idle_ns(spawner);
}

static struct policy *oldest_idle(const struct spawner *spawner, uint32_t *count)
{
    struct policy *oldest = NULL;
    *count = 0;
    for (struct policy *policy = spawner->policies; policy; policy = policy->next) {
        if (!is_idle(spawner, policy))
            continue;
        (*count)++;
        if (!oldest || policy->last_used < oldest->last_used)
            oldest = policy;
    }
    return oldest;
}

/* Whether there may be something to give up later. */
static bool keeps_much(const struct spawner *spawner)
{
    uint32_t makers = 0;
    bool much = false;
    for (const struct policy *policy = spawner->policies; policy; policy = policy->next) {
        makers += policy->maker_pid > 0;
        much |= !is_kept(policy) && policy->ready_count + policy->making > 1;
    }
    return much || makers > spawner->configure.idle_makers;
}

static void trim(struct spawner *spawner, struct timer *timer)
{
    struct policy *policy;
    uint32_t idle;
    (void)timer;
    mark_used(spawner);
    while ((policy = oldest_idle(spawner, &idle)) && idle > spawner->configure.idle_makers)
        rest_policy(spawner, policy);
    for (policy = spawner->policies; policy; policy = policy->next) {
        while (!is_kept(policy) && policy->ready_count > 1 && !is_busy(spawner, policy))
            end_sandbox(spawner, policy->ready);
    }
    trim_later(spawner);
}

void trim_later(struct spawner *spawner)
{
    if (spawner->trim.index || spawner->ending || idle_ns(spawner) == NEVER || !keeps_much(spawner))
        return;
    spawner->trim.expired = trim;
    /* Without memory for it everything stays as it is, until the next use tries again. */
    set_timer(&spawner->timers, &spawner->trim, monotonic_ns() + idle_ns(spawner) / BUSY_PART);
}
