/* Policies, and how many ready sandboxes each keeps. Runs in the spawner. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MAKING_AT_ONCE = 4, /* one maker works on one at a time; more only wait in its socket */
    READY_IN_SESSION = 2,
};

struct policy *find_policy(struct spawner *spawner, uint32_t id)
{
    for (struct policy *policy = spawner->policies; policy; policy = policy->next) {
        if (policy->id == id && !policy->forgotten)
            return policy;
    }
    return NULL;
}

void fail_queue(struct spawner *spawner, struct policy *policy, const struct failure *failure)
{
    while (policy->queue_first) {
        if (failure->stage == STAGE_SESSION) /* it was ended, and they with it */
            cancel_queued(spawner, policy->queue_first, CAUSE_DESTROYED, SCOPE_SANDBOX);
        else
            fail_step(spawner, policy->queue_first, failure);
    }
}

/* Each failure doubles the pause before sandboxes are made for nobody; a step that waits is always tried for. */
void back_off(struct policy *policy)
{
    if (policy->failures < 9)
        policy->failures++;
    policy->idle_until = monotonic_ns() + ((uint64_t)10000000 << policy->failures);
}

static bool has_writable(const struct define *define)
{
    for (size_t i = 0; i < define->mount_count; i++) {
        if (define->mounts[i].kind == MOUNT_WRITABLE || is_overlay(&define->mounts[i]))
            return true;
    }
    return false;
}

static bool may_be_closed(const struct mount_entry *entry)
{
    return entry->kind == MOUNT_READ_ONLY && entry->as_owner;
}

/* What the app may read and others may not. */
static bool is_closed(const struct mount_entry *entry)
{
    char path[PATH_LIMIT + 1];
    struct stat status;
    memcpy(path, entry->source.data, entry->source.length);
    path[entry->source.length] = 0;
    return !stat(path, &status) && !others_may_read(&status) &&
           !faccessat(AT_FDCWD, path, S_ISDIR(status.st_mode) ? R_OK | X_OK : R_OK, AT_EACCESS);
}

/* Is asked by a child: where a server does not answer, the steps of others must not wait for it for long. */
static bool has_closed(const struct define *define)
{
    size_t count = 0;
    for (size_t i = 0; i < define->mount_count; i++)
        count += may_be_closed(&define->mounts[i]);
    pid_t child = count > 0 ? fork() : -1;
    int status = 0;
    if (child == 0) {
        alarm(1);
        for (size_t i = 0; i < define->mount_count; i++) {
            if (may_be_closed(&define->mounts[i]) && is_closed(&define->mounts[i]))
                _exit(1);
        }
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* The same bytes in the copy of the message. */
static struct bytes in_copy(struct bytes part, struct bytes body, const uint8_t *copy)
{
    return part.length > 0 ? (struct bytes){copy + (part.data - body.data), part.length} : (struct bytes){0};
}

static struct policy *new_policy(const struct spawner *spawner, const struct define *define, struct bytes body)
{
    struct policy *policy = calloc(1, sizeof(*policy));
    uint8_t *copy = policy ? malloc(body.length) : NULL;
    if (!copy) {
        free(policy);
        return NULL;
    }
    memcpy(copy, body.data, body.length);
    policy->message = (struct bytes){copy, body.length};
    policy->scratch_on_disk = define->scratch_on_disk;
    policy->scratch = in_copy(scratch_target(define), body, copy);
    policy->id = define->policy_id;
    policy->zygote = define->zygote;
    policy->below = define->below;
    policy->session = define->session;
    policy->within = define->within;
    policy->parked_wanted = define->parked;
    policy->base_filter = in_copy(define->base_filter, body, copy);
    if (!define->below && !define->zygote)
        policy->boot = in_copy(define->boot, body, copy);
    policy->boot_input = in_copy(define->boot_input, body, copy);
    policy->maker.fd = policy->define = -1;
    /* What rules name may be another file by the time that a step asks; in a session they have been carried out. */
    policy->fresh = define->rule_count > 0 && !define->within;
    policy->host_network = define->host_network;
    policy->core_scheduling = define->core_scheduling;
    policy->has_writable = has_writable(define);
    policy->has_closed = spawner->leases && !spawner->privileged && !spawner->began_as_root && !policy->has_writable &&
                         has_closed(define);
    policy->notifies = define->step_filter_notifies;
    policy->reuse_net = define->reuse_net && spawner->enters_namespaces;
    policy->reuse_user = define->reuse_user && spawner->enters_namespaces;
    policy->scratch_bytes = define->scratch_bytes;
    policy->uid = define->uid;
    policy->gid = define->gid;
    policy->require = define->require;
    policy->allow_weaker = define->allow_weaker;
    policy->allow_missing = define->allow_missing;
    policy->last_used = monotonic_ns();
    return policy;
}

/* The steps that wait for a zygote that is gone wait for the next one instead. */
static void take_over_queue(struct spawner *spawner, struct policy *policy, uint32_t replaced)
{
    struct policy *before = find_policy(spawner, replaced);
    if (!before || before == policy)
        return;
    policy->queue_first = before->queue_first;
    policy->queue_last = before->queue_last;
    policy->queued = before->queued;
    for (struct step *step = policy->queue_first; step; step = step->next)
        step->policy = policy;
    before->queue_first = before->queue_last = NULL;
    before->queued = 0;
}

static bool is_one_step_each(const struct define *define)
{
    return !define->zygote && !define->below && !define->session && !define->within && define->boot.length == 0;
}

/* What it is instead where there are no namespaces, if it says so and can be. 1: it is; 0: it stays as it is; -1: it
 * cannot be understood. */
static int make_portable_of(struct spawner *spawner, struct define *define, struct bytes *body)
{
    uint32_t id = define->policy_id;
    if (define->portable.length == 0 || !is_one_step_each(define) || !lacks_namespaces(spawner))
        return 0;
    *body = define->portable;
    if (read_define(*body, define) || define->portable.length > 0 || !is_one_step_each(define))
        return -1;
    define->policy_id = id;
    return 1;
}

void define_policy(struct spawner *spawner, struct bytes body)
{
    static struct define define; /* large, and used by one message at a time */
    if (read_define(body, &define) || find_policy(spawner, define.policy_id))
        return; /* each Start that names it is answered UNKNOWN_POLICY, or the first definition stands */
    int portable = make_portable_of(spawner, &define, &body);
    if (portable < 0)
        return;
    struct policy *policy = new_policy(spawner, &define, body);
    if (!policy) {
        spawner->has_lost_policies = true;
        return;
    }
    policy->portable = portable > 0;
    policy->needs_namespaces = define.portable.length > 0;
    policy->next = spawner->policies;
    spawner->policies = policy;
    if (define.replaces)
        take_over_queue(spawner, policy, define.replaces);
    fill_pool(spawner, policy);
}

static bool is_unused(const struct spawner *spawner, const struct policy *policy)
{
    if (policy->queue_first || policy->ready || policy->empty || policy->making || has_maker(policy))
        return false;
    for (const struct sandbox *sandbox = spawner->others; sandbox; sandbox = sandbox->next) {
        if (sandbox->policy == policy)
            return false;
    }
    return true;
}

static void tell_forgotten(struct spawner *spawner, uint32_t id)
{
    uint8_t space[64];
    struct writer writer = {.start = space, .size = sizeof(space)};
    write_forgotten(&writer, id);
    tell_app(spawner, &writer);
}

/* Forgotten policies go when the last of their sandboxes has gone. Called between two rounds of the loop, when no event
 * can name them. */
void free_forgotten(struct spawner *spawner)
{
    if (!spawner->has_forgotten)
        return;
    spawner->has_forgotten = false;
    for (struct policy **at = &spawner->policies; *at;) {
        struct policy *policy = *at;
        if (policy->forgotten && is_unused(spawner, policy)) {
            *at = policy->next;
            tell_forgotten(spawner, policy->id);
            free((void *)(uintptr_t)policy->message.data);
            close_descriptor(&policy->define);
            free(policy);
        } else {
            spawner->has_forgotten |= policy->forgotten;
            at = &policy->next;
        }
    }
}

void forget_policy(struct spawner *spawner, uint32_t id)
{
    struct policy *policy = find_policy(spawner, id);
    if (policy) {
        struct failure failure = {.stage = policy->below ? STAGE_ZYGOTE : STAGE_UNKNOWN_POLICY};
        policy->forgotten = true;
        end_maker(spawner, policy, &failure);
        spawner->has_forgotten = true;
    } else {
        tell_forgotten(spawner, id); /* it could not be kept: nothing is left of it */
    }
}

static uint32_t wanted_ready(const struct spawner *spawner, const struct policy *policy)
{
    /* What is on a disk takes its room before anybody asks for it. */
    uint32_t pool = policy->scratch_on_disk && spawner->configure.pool > 1 ? 1 : spawner->configure.pool;
    uint64_t now = monotonic_ns();
    if (policy->forgotten || policy->resting || spawner->ending || now < policy->idle_until || policy->zygote ||
        policy->session || policy->fresh)
        return 0;
    if (boots(policy))
        return policy->parked_wanted;
    if (policy->within)
        return READY_IN_SESSION;
    if (policy->below)
        return (is_busy(spawner, policy) ? pool : 1) + policy->parked_wanted;
    return pool == 0 || is_busy(spawner, policy) ? pool : 1;
}

/* Sandboxes that there are or will be, and no step has yet. */
static uint32_t count_coming(const struct policy *policy)
{
    return policy->ready_count + policy->empty_count + policy->filling + policy->making;
}

/* A step that has just been released wants the processors now; its own end, a moment later, brings the pool up again.
 * Only when that would leave the next ones waiting the making starts at once. */
void refill_after_release(struct spawner *spawner, struct policy *policy)
{
    if (policy->below)
        fill_sandboxes(spawner, policy, policy->queued);
    uint32_t coming = count_coming(policy);
    uint32_t most = boots(policy) ? policy->parked_wanted : policy->within ? 1 : spawner->configure.pool;
    bool enough = policy->below ? policy->ready_count + policy->filling >= policy->queued : !policy->queue_first;
    if (!enough || coming <= most / 2)
        fill_pool(spawner, policy);
}

static void retry(struct spawner *spawner, struct timer *timer)
{
    (void)timer;
    spawner->wants_refill = true;
}

/* No sandbox could be made for the steps of this policy's queue. For want of resources only the first one fails, and
 * only when no other sandbox is left whose end would bring some back; what is wrong with the policy itself is wrong for
 * all. */
void fail_or_wait(struct spawner *spawner, struct policy *policy, const struct failure *failure)
{
    if (failure->stage != STAGE_RESOURCES) {
        fail_queue(spawner, policy, failure);
        return;
    }
    bool room_comes = is_short_of_descriptors(spawner, SANDBOX_DESCRIPTORS) && give_way(spawner);
    if (!room_comes && spawner->running == 0 && policy->making == 0 && policy->ready_count == 0 && policy->queue_first)
        fail_step(spawner, policy->queue_first, failure);
    spawner->retry.expired = retry;
    set_timer(&spawner->timers, &spawner->retry, monotonic_ns() + 5000000u);
}

void want_refill(struct spawner *spawner, struct policy *policy)
{
    policy->wants_refill = true;
    spawner->wants_refill = true;
}

void refill_pools(struct spawner *spawner)
{
    if (!spawner->wants_refill || spawner->ending)
        return;
    spawner->wants_refill = false;
    for (struct policy *policy = spawner->policies; policy; policy = policy->next) {
        /* A step that waits for room may have got it, whichever policy's sandbox has ended. */
        if (policy->wants_refill || policy->queue_first) {
            policy->wants_refill = false;
            fill_pool(spawner, policy);
        }
    }
}

uint32_t count_making(const struct spawner *spawner)
{
    uint32_t making = 0;
    for (const struct policy *policy = spawner->policies; policy; policy = policy->next)
        making += policy->making;
    return making;
}

/* What is made for nobody yet leaves room for a message, or nobody could ask any more: only a sandbox's end brings
 * room, and these have none. */
static bool has_room_ahead(const struct spawner *spawner)
{
    return !is_short_of_descriptors(spawner, (count_making(spawner) + 1) * SANDBOX_DESCRIPTORS + MESSAGE_DESCRIPTORS +
                                                 spawner->most_further);
}

bool give_way(struct spawner *spawner)
{
    remove_slots(spawner);
    for (const struct sandbox *sandbox = spawner->others; sandbox; sandbox = sandbox->next) {
        if (sandbox->state == SANDBOX_ENDING)
            return true; /* its room is about to come */
    }
    for (struct policy *policy = spawner->policies; policy; policy = policy->next) {
        struct sandbox *idle = policy->ready ? policy->ready : policy->empty;
        if (idle) {
            end_sandbox(spawner, idle);
            return true;
        }
    }
    return false;
}

/* Zygotes and sessions live until somebody asks for their end. */
bool can_room_come(const struct spawner *spawner)
{
    for (const struct sandbox *sandbox = spawner->others; sandbox; sandbox = sandbox->next) {
        bool lives = sandbox->policy->zygote || sandbox->policy->session || sandbox->stays;
        if (!lives || sandbox->state != SANDBOX_RUNNING)
            return true;
    }
    return false;
}

void fill_pool(struct spawner *spawner, struct policy *policy)
{
    struct failure failure = {0};
    uint32_t room = free_places(spawner, policy);
    uint32_t queued = policy->queued < room ? policy->queued : room;
    uint32_t wanted = wanted_ready(spawner, policy) + queued;
    if (policy->forgotten || (policy->below && !find_zygote(spawner, policy->below)))
        return;
    if (policy->within && !find_session(spawner, policy->within)) {
        failure.stage = STAGE_SESSION;
        fail_queue(spawner, policy, &failure);
        return;
    }
    if (policy->is_broken && !has_maker(policy)) {
        if (!policy->queue_first)
            return;
        policy->is_broken = false; /* what was missing may be there by now: a step that asks is always tried for */
    }
    if (!has_maker(policy) && wanted > 0 && start_maker(spawner, policy, &failure)) {
        fail_queue(spawner, policy, &failure);
        return;
    }
    if (policy->below)
        fill_sandboxes(spawner, policy, policy->parked_wanted + queued);
    while (policy->making < MAKING_AT_ONCE && count_coming(policy) < wanted) {
        if (count_coming(policy) >= queued && !has_room_ahead(spawner))
            return;
        if (request_sandbox(spawner, policy, &failure)) {
            /* The maker has ended, and said why: maker_ready() is about to read it. */
            if (failure.error == EPIPE || failure.error == ECONNRESET)
                return;
            /* What runs out comes back when a sandbox ends; a step waits for that as long as its queue time lets it. */
            back_off(policy);
            if (policy->queue_first)
                fail_or_wait(spawner, policy, &failure);
            return;
        }
    }
}
