/* The deadlines of a step, and what is looked at again and again while it runs: processor time, and memory where it has
 * to be watched. Runs in the spawner. One timer a step, for the nearest of them. */
#include "spawner/spawner.h"

#include <stdlib.h>

static const uint64_t MS = 1000000;

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return b && (!a || b < a) ? b : a;
}

static void pass_deadline(struct spawner *spawner, struct step *step)
{
    const struct session *session = step->sandbox->within;
    struct step *whole = session ? session->sandbox->step : NULL;
    uint64_t deadline = step->wall_deadline;
    step->wall_deadline = 0;
    /* The sandbox's was first, and is what ends this one, too: we are late, or here to look at something else. */
    if (whole && whole->wall_deadline && whole->wall_deadline <= deadline)
        pass_deadline(spawner, whole);
    if (step->has_cause)
        return;
    step->evidence.limit_ms = step->limits.wall_time_ms;
    step_event(spawner, step, CAUSE_WALL_TIMEOUT, SCOPE_STEP);
}

static void step_expired(struct spawner *spawner, struct timer *timer);

void arm_step(struct spawner *spawner, struct step *step)
{
    uint64_t at = earliest(earliest(step->queue_deadline, step->wall_deadline), step->grace_deadline);
    at = earliest(earliest(at, step->cpu_check), earliest(step->memory_check, step->fork_stop));
    at = earliest(at, step->keeper_deadline);
    step->timer.expired = step_expired;
    if (!at) {
        clear_timer(&spawner->timers, &step->timer);
    } else if (set_timer(&spawner->timers, &step->timer, at)) {
        struct failure failure;
        fail(&failure, STAGE_RESOURCES, NULL); /* a deadline that cannot be kept is not promised */
        fail_step(spawner, step, &failure);
    }
}

static int cpu_time_used(const struct sandbox *sandbox, uint64_t *out)
{
    struct counters counters;
    if (sandbox->watched_proc >= 0) {
        if (watched_cpu_ns(sandbox, out))
            return -1;
        *out -= sandbox->watched_cpu_ns < *out ? sandbox->watched_cpu_ns : *out;
        return 0;
    }
    read_counters(sandbox->slot->cgroups, &sandbox->slot->cgroup, &counters);
    *out = counters.cpu_ns;
    return 0;
}

/* What cannot be watched is not let run. That is not the step's doing, so no cause is made of it. After the end of the
 * main process init is ending the rest anyway. */
static void cannot_watch(struct spawner *spawner, struct step *step)
{
    step->cpu_check = step->memory_check = 0;
    if (step->sandbox->main_ended)
        return;
    step->unwatched = errno;
    end_sandbox(spawner, step->sandbox);
}

void check_cpu_time(struct spawner *spawner, struct step *step, uint64_t now)
{
    uint64_t used, limit = step->limits.cpu_time_ms * MS;
    if (cpu_time_used(step->sandbox, &used)) {
        cannot_watch(spawner, step);
        return;
    }
    if (used >= limit) {
        step->cpu_check = 0;
        step->evidence.limit_ms = step->limits.cpu_time_ms;
        step_event(spawner, step, CAUSE_CPU_TIMEOUT, SCOPE_STEP);
        return;
    }
    /* No more than all processors can have been used by then. */
    uint64_t processors = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t pause = (limit - used) / (processors ? processors : 1);
    step->cpu_check = now + (pause < 2 * MS ? 2 * MS : pause);
}

/* After the end of the main process it is not what ends the step: init is ending the rest, and about to report. */
static void out_of_memory(struct spawner *spawner, struct step *step, const struct counters *counters)
{
    if (!step->oom_after_end)
        step_event(spawner, step, CAUSE_OOM, scope_of_oom(spawner, step, counters));
}

/* The notice comes before the kill, and on a busy machine that may take a while: the pauses double, up to 4 s in all.
 */
static void look_again_for_oom(struct step *step, uint64_t now)
{
    enum { MOST_LOOKS = 11 };
    if (step->oom_looks < MOST_LOOKS)
        step->memory_check = now + (2 * MS << step->oom_looks++);
}

static void check_memory(struct spawner *spawner, struct step *step, uint64_t now)
{
    struct sandbox *sandbox = step->sandbox;
    struct counters counters;
    if (sandbox->session) {
        check_stayers(spawner, step, now);
        return;
    }
    if (sandbox->watched_proc >= 0) {
        bool over = false, all_over = false;
        if ((step->limits.memory_bytes && watched_memory(sandbox, step->limits.memory_bytes, &over)) ||
            (sandbox->within && !over && !is_one_ending(spawner, sandbox->within) &&
             watched_session(sandbox, &all_over))) {
            cannot_watch(spawner, step);
            return;
        }
        /* A step can make the look long (many processes that share much): others get as much of our time. */
        uint64_t after = monotonic_ns(), pause = after - now;
        step->memory_check = after + (pause < 10 * MS ? 10 * MS : pause);
        if (!over && !all_over)
            return;
        step->evidence.memory_watched = true;
        step->evidence.main_exited_first = sandbox->main_ended;
        step->memory_check = 0;
        if (!sandbox->main_ended)
            step_event(spawner, step, CAUSE_OOM, all_over ? SCOPE_SANDBOX : SCOPE_STEP);
        return;
    }
    step->memory_check = 0;
    read_counters(sandbox->slot->cgroups, &sandbox->slot->cgroup, &counters);
    if (counters.oom_kills > 0)
        out_of_memory(spawner, step, &counters);
    else
        look_again_for_oom(step, now);
}

/* cgroup v1 gives notice before it kills: the counter may lag behind, so it is looked at again a little later. */
void oom_noticed(struct spawner *spawner, struct watch *watch, uint32_t events)
{
    struct slot *slot = (struct slot *)((char *)watch - offsetof(struct slot, oom));
    (void)events;
    acknowledge_oom(slot->cgroups, &slot->cgroup);
    struct counters counters;
    read_counters(slot->cgroups, &slot->cgroup, &counters); /* v2: reading is what silences the notice */
    struct step *step = slot->sandbox ? slot->sandbox->step : NULL;
    if (!step || step->has_cause || slot->sandbox->session) /* of a session: it was a command, and is told there */
        return;
    step->oom_after_end = step->oom_noticed ? step->oom_after_end : step->sandbox->main_ended;
    step->oom_noticed = true;
    if (counters.oom_kills > 0) {
        out_of_memory(spawner, step, &counters);
    } else {
        step->oom_looks = 0;
        look_again_for_oom(step, monotonic_ns());
        arm_step(spawner, step);
    }
}

static void step_expired(struct spawner *spawner, struct timer *timer)
{
    struct step *step = (struct step *)((char *)timer - offsetof(struct step, timer));
    uint64_t now = monotonic_ns();
    if (!step->sandbox && is_held(spawner, step->policy)) { /* the app has it wait */
        step->queue_deadline = now + spawner->configure.queue_timeout_ms * MS;
        arm_step(spawner, step);
        return;
    }
    if (!step->sandbox) {
        struct failure failure = {.stage = STAGE_QUEUE_TIMEOUT};
        fail_step(spawner, step, &failure);
        return;
    }
    if (step->wall_deadline && step->wall_deadline <= now)
        pass_deadline(spawner, step);
    if (step->grace_deadline && step->grace_deadline <= now) {
        step->grace_deadline = 0;
        step_event(spawner, step, step->cause, step->scope);
    }
    if (step->cpu_check && step->cpu_check <= now)
        check_cpu_time(spawner, step, now);
    if (step->memory_check && step->memory_check <= now)
        check_memory(spawner, step, now);
    if (step->fork_stop && step->fork_stop <= now) {
        step->fork_stop = 0;
        stop_forks(step->sandbox->slot->cgroups, &step->sandbox->slot->cgroup);
    }
    if (step->keeper_deadline && step->keeper_deadline <= now)
        keeper_expired(spawner, step);
    arm_step(spawner, step);
}
