/* How a sandbox that was made becomes ready for a step, and is taken by one: looked at, booted, filled by a zygote.
 * Runs in the spawner. */
#include "spawner/spawner.h"

#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

bool is_on_its_way(const struct sandbox *sandbox)
{
    return sandbox->state == (sandbox->nest ? SANDBOX_FILLING : SANDBOX_MAKING);
}

/* Whether its end has not been told yet. A step that is handed to one that is gone would be lost, and nobody could say
 * whether it had begun. */
static bool is_gone(const struct sandbox *sandbox)
{
    struct pollfd ends[] = {{.fd = sandbox->life.fd, .events = POLLIN}, {.fd = sandbox->main.fd, .events = POLLIN}};
    return sandbox->main_ended || poll(ends, LENGTH(ends), 0) != 0;
}

bool is_ending(const struct spawner *spawner, const struct sandbox *sandbox)
{
    pid_t init = pid_behind(spawner, sandbox->life.fd);
    return is_gone(sandbox) || (init != 0 && is_exiting(spawner->proc, init));
}

enum stage unseen(const struct spawner *spawner, const struct sandbox *sandbox)
{
    return is_exiting(spawner->proc, sandbox->parked_pid) || is_gone(sandbox) ? STAGE_LOST : STAGE_OBSERVATION;
}

void become_ready(struct spawner *spawner, struct sandbox *sandbox)
{
    struct failure failure;
    if (!sandbox->parked || sandbox->life.fd < 0 || !is_on_its_way(sandbox))
        return;
    if (sandbox->policy->forgotten) { /* while it was on its way; nobody would ever take it */
        end_sandbox(spawner, sandbox);
        return;
    }
    int pidfd = (int)syscall(SYS_pidfd_open, sandbox->parked_pid, 0);
    if (pidfd < 0 || watch_descriptor(spawner, &sandbox->main, pidfd, EPOLLIN | EPOLLONESHOT, main_ended) ||
        begin_cgroup(sandbox->slot->cgroups, &sandbox->slot->cgroup)) {
        fail(&failure, pidfd < 0 && errno == ESRCH ? STAGE_LOST : STAGE_RESOURCES, NULL);
        sandbox_failed(spawner, sandbox, &failure);
        return;
    }
    if (observe(spawner, sandbox, sandbox->parked_pid, &sandbox->parked_report)) {
        if (sandbox->failure.stage == STAGE_OBSERVATION)
            sandbox->failure.stage = unseen(spawner, sandbox);
        sandbox_failed(spawner, sandbox, &sandbox->failure);
        return;
    }
    if (boot_sandbox(spawner, sandbox, &failure)) {
        sandbox_failed(spawner, sandbox, &failure);
        return;
    }
    if (sandbox->nest && !sandbox->policy->queue_first)
        tell_seen(sandbox);
    sandbox->policy->maker_died_at = 0;
    set_state(spawner, sandbox, SANDBOX_READY);
    run_queue(spawner, sandbox->policy);
    /* Its maker was asked for no more while this one and others were on their way. */
    if (sandbox->state == SANDBOX_READY)
        want_refill(spawner, sandbox->policy);
}

void become_empty(struct spawner *spawner, struct sandbox *sandbox)
{
    struct failure failure;
    if (!sandbox->nest || sandbox->init == 0 || sandbox->life.fd < 0 || sandbox->state != SANDBOX_MAKING)
        return;
    if (sandbox->nest->zygote->over || sandbox->policy->forgotten) {
        end_sandbox(spawner, sandbox);
        return;
    }
    if (see_nest(spawner, sandbox)) {
        fail(&failure, STAGE_RESOURCES, NULL);
        sandbox_failed(spawner, sandbox, &failure);
        return;
    }
    set_state(spawner, sandbox, SANDBOX_EMPTY);
    want_refill(spawner, sandbox->policy);
}

void fill_sandboxes(struct spawner *spawner, struct policy *policy, uint32_t wanted)
{
    while (policy->empty && policy->ready_count + policy->filling < wanted) {
        struct failure failure;
        struct sandbox *sandbox = policy->empty;
        if (fill_nest(spawner, sandbox, &failure))
            return; /* its socket is full, or it is about to be over */
        set_state(spawner, sandbox, SANDBOX_FILLING);
    }
}

void become_living(struct spawner *spawner, struct sandbox *sandbox)
{
    struct failure failure;
    if (sandbox->init == 0 || sandbox->life.fd < 0 || sandbox->state != SANDBOX_MAKING)
        return;
    if (sandbox->policy->forgotten) {
        end_sandbox(spawner, sandbox);
        return;
    }
    if (begin_cgroup(sandbox->slot->cgroups, &sandbox->slot->cgroup)) {
        fail(&failure, STAGE_RESOURCES, NULL);
        sandbox_failed(spawner, sandbox, &failure);
        return;
    }
    set_state(spawner, sandbox, SANDBOX_READY);
    run_queue(spawner, sandbox->policy);
}

static struct sandbox *next_ready(const struct policy *policy)
{
    struct sandbox *sandbox = policy->ready;
    while (boots(policy) && sandbox && sandbox->next)
        sandbox = sandbox->next; /* the one that has had the most time for it */
    return sandbox;
}

struct sandbox *take_ready(struct spawner *spawner, struct policy *policy)
{
    if (!policy->ready || is_maker_gone(spawner, policy))
        return NULL;
    struct sandbox *sandbox;
    while ((sandbox = next_ready(policy)) && (is_gone(sandbox) || !still_holds(sandbox)))
        end_sandbox(spawner, sandbox);
    if (sandbox)
        set_state(spawner, sandbox, SANDBOX_RUNNING);
    return sandbox;
}
