/* Steps: from the app's Start to its one answer. Runs in the spawner.
 * The first event decides the cause; what the kernel counted decides between them when they come together. */
#include "spawner/spawner.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const uint64_t MS = 1000000;

struct step *find_step(struct spawner *spawner, uint64_t id)
{
    struct step *step = spawner->steps[id % STEP_BUCKETS];
    while (step && step->id != id)
        step = step->hash_next;
    return step;
}

static void forget_step(struct spawner *spawner, struct step *step)
{
    struct step **at = &spawner->steps[step->id % STEP_BUCKETS];
    while (*at != step)
        at = &(*at)->hash_next;
    *at = step->hash_next;
    clear_timer(&spawner->timers, &step->timer);
    for (size_t i = 0; i < step->pipe_count; i++)
        close_descriptor(&step->pipes[i]);
    close_descriptor(&step->memory_file);
    free(step->message);
    free(step);
}

static void leave_queue(struct step *step)
{
    struct policy *policy = step->policy;
    struct step *before = NULL;
    for (struct step *at = policy->queue_first; at && at != step; at = at->next)
        before = at;
    if (before)
        before->next = step->next;
    else
        policy->queue_first = step->next;
    if (policy->queue_last == step)
        policy->queue_last = before;
    step->next = NULL;
    policy->queued--;
}

/* Parts the step from its sandbox or queue; the sandbox ends, as no sandbox runs two. */
static void detach(struct spawner *spawner, struct step *step)
{
    struct sandbox *sandbox = step->sandbox;
    if (!sandbox) {
        leave_queue(step);
        return;
    }
    sandbox->step = NULL;
    step->sandbox = NULL;
    spawner->running--;
    end_sandbox(spawner, sandbox);
}

static void run_all_queues(struct spawner *spawner)
{
    for (struct policy *policy = spawner->policies; policy; policy = policy->next) {
        if (policy->queue_first)
            run_queue(spawner, policy);
    }
}

void fail_step(struct spawner *spawner, struct step *step, const struct failure *failure)
{
    bool ran = step->sandbox != NULL;
    detach(spawner, step);
    tell_failed(spawner, step->id, failure);
    forget_step(spawner, step);
    if (ran)
        run_all_queues(spawner);
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return b && (!a || b < a) ? b : a;
}

static void step_expired(struct spawner *spawner, struct timer *timer);

static void arm(struct spawner *spawner, struct step *step)
{
    uint64_t at = earliest(earliest(step->queue_deadline, step->wall_deadline), step->grace_deadline);
    at = earliest(earliest(at, step->cpu_check), step->memory_check);
    step->timer.expired = step_expired;
    if (!at) {
        clear_timer(&spawner->timers, &step->timer);
    } else if (set_timer(&spawner->timers, &step->timer, at)) {
        struct failure failure;
        fail(&failure, STAGE_RESOURCES, NULL); /* a deadline that cannot be kept is not promised */
        fail_step(spawner, step, &failure);
    }
}

void step_event(struct spawner *spawner, struct step *step, uint32_t cause, uint32_t scope)
{
    if (!step->has_cause) {
        step->has_cause = true;
        step->cause = cause;
        step->scope = scope;
    }
    if (step->sandbox && step->sandbox->state == SANDBOX_RUNNING)
        step->evidence.scratch_full = is_scratch_full(spawner, step->sandbox);
    if (step->sandbox)
        end_sandbox(spawner, step->sandbox);
}

/* cgroup v1 tells the sum of user and system time; what init reaped tells how they relate. A sandbox that was killed
 * has nobody left to tell: its time is then given as user time. */
static void split_cpu_time(struct counters *counters, const struct report *report)
{
    if (counters->user_ns || counters->system_ns || !counters->cpu_ns)
        return;
    uint64_t reaped = report ? report->user_ns + report->system_ns : 0;
    double share = reaped ? (double)report->system_ns / (double)reaped : 0;
    counters->system_ns = (uint64_t)((double)counters->cpu_ns * share);
    counters->user_ns = counters->cpu_ns - counters->system_ns;
}

static void fill_usage(const struct step *step, struct ended *ended, const struct counters *counters)
{
    uint64_t now = monotonic_ns(), init = 1; /* it is in the same cgroup, and nothing that the step made */
    ended->usage = (struct usage){
        .queue_ns = step->released_at - step->queued_at,
        .wall_ns = now - step->released_at,
        .user_cpu_ns = counters->user_ns,
        .system_cpu_ns = counters->system_ns,
        .peak_memory_bytes = counters->peak_bytes,
        .peak_processes = counters->peak_processes > init ? (uint32_t)(counters->peak_processes - init) : 0};
}

/* Whether the kernel's own limit of this cgroup was hit, or one above it that is not the step's. */
static uint32_t scope_of_oom(const struct step *step, const struct counters *counters)
{
    return step->limits.memory_bytes && counters->limit_hits > 0 ? SCOPE_STEP : SCOPE_HOST;
}

static void answer(struct spawner *spawner, struct step *step, const struct report *report)
{
    struct counters counters = {0};
    struct sandbox *sandbox = step->sandbox;
    struct ended ended = {.step_id = step->id, .evidence = step->evidence};
    bool ended_by_us = step->has_cause && report == NULL;
    read_counters(&spawner->cgroups, &sandbox->slot->cgroup, &counters);
    if (!spawner->cgroups.version && report) {
        counters.user_ns = report->user_ns;
        counters.system_ns = report->system_ns;
        counters.cpu_ns = report->user_ns + report->system_ns;
        counters.peak_bytes = report->peak_bytes;
    }
    ended.evidence.oom_kills = (uint32_t)counters.oom_kills;
    ended.evidence.process_limit_hits = (uint32_t)counters.fork_refusals;
    ended.evidence.memory_limit_hits = counters.limit_hits;
    ended.evidence.memory_limit_bytes = step->limits.memory_bytes;
    bool too_late = counters.oom_kills > 0 && exited_before_oom(spawner, step, report);
    ended.evidence.main_exited_first |= too_late;
    if (counters.oom_kills > 0 && !step->has_cause && !too_late) {
        step->has_cause = true;
        step->cause = CAUSE_OOM;
        step->scope = scope_of_oom(step, &counters);
        ended_by_us = true; /* by the kernel, by our limit */
    }
    if (step->cause == CAUSE_OOM)
        step->scope = step->evidence.memory_watched ? (uint32_t)SCOPE_STEP : scope_of_oom(step, &counters);
    if (report) {
        bool exited = report->wait_code == CLD_EXITED;
        ended.exit_code = exited ? (uint32_t)report->wait_status : 0;
        ended.signal = exited ? 0 : (uint32_t)report->wait_status;
        ended.evidence.killed_processes = report->killed;
        ended.evidence.scratch_full = report->scratch_full;
        if (!step->has_cause)
            step->cause = exited ? CAUSE_EXIT : CAUSE_SIGNAL;
    }
    if (ended_by_us)
        ended.signal = SIGKILL;
    ended.cause = step->cause;
    ended.scope = step->scope;
    split_cpu_time(&counters, report);
    fill_usage(step, &ended, &counters);
    memcpy(ended.enforced, sandbox->enforced, sizeof(ended.enforced));
    uint8_t space[1024];
    struct writer writer = {.start = space, .size = sizeof(space)};
    write_ended(&writer, &ended);
    detach(spawner, step);
    tell_app(spawner, &writer);
    forget_step(spawner, step);
    run_all_queues(spawner);
}

/* Init reports: nothing is left inside. */
void step_ended(struct spawner *spawner, struct step *step, const struct report *report)
{
    /* What we ended has our status, even when its own end crossed ours on the way; a signal that the app sent leaves
     * the word to the step. */
    bool killed_by_us = step->has_cause && step->evidence.kill_signal == 0;
    answer(spawner, step, killed_by_us ? NULL : report);
}

/* Init is gone without a report: we ended it, or something else did; on cgroup v2 the kernel, with all the others. */
void step_lost(struct spawner *spawner, struct step *step)
{
    struct counters counters;
    struct report report;
    read_counters(&spawner->cgroups, &step->sandbox->slot->cgroup, &counters);
    if (step->has_cause || counters.oom_kills > 0) {
        bool told = !step->has_cause && exit_of(step->sandbox, &report);
        answer(spawner, step, told ? &report : NULL);
        return;
    }
    struct failure failure = {.stage = step->unwatched ? STAGE_WATCH : STAGE_LOST, .error = step->unwatched};
    fail_step(spawner, step, &failure);
}

void step_refused(struct spawner *spawner, struct step *step, const struct failure *failure)
{
    fail_step(spawner, step, failure);
}

static int cpu_time_used(struct spawner *spawner, const struct sandbox *sandbox, uint64_t *out)
{
    struct counters counters;
    if (sandbox->watched_proc >= 0)
        return watched_cpu_ns(sandbox, out);
    read_counters(&spawner->cgroups, &sandbox->slot->cgroup, &counters);
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

static void check_cpu(struct spawner *spawner, struct step *step, uint64_t now)
{
    uint64_t used, limit = step->limits.cpu_time_ms * MS;
    if (cpu_time_used(spawner, step->sandbox, &used)) {
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
        step_event(spawner, step, CAUSE_OOM, scope_of_oom(step, counters));
}

static void check_memory(struct spawner *spawner, struct step *step, uint64_t now)
{
    struct sandbox *sandbox = step->sandbox;
    struct counters counters;
    if (sandbox->watched_proc >= 0) {
        bool over;
        if (watched_memory(sandbox, step->limits.memory_bytes, &over)) {
            cannot_watch(spawner, step);
            return;
        }
        /* A step can make the look long (many processes that share much): others get as much of our time. */
        uint64_t after = monotonic_ns(), pause = after - now;
        step->memory_check = after + (pause < 10 * MS ? 10 * MS : pause);
        if (!over)
            return;
        step->evidence.memory_watched = true;
        step->evidence.main_exited_first = sandbox->main_ended;
        step->memory_check = 0;
        if (!sandbox->main_ended)
            step_event(spawner, step, CAUSE_OOM, SCOPE_STEP);
        return;
    }
    step->memory_check = 0;
    read_counters(&spawner->cgroups, &sandbox->slot->cgroup, &counters);
    if (counters.oom_kills > 0)
        out_of_memory(spawner, step, &counters);
}

/* cgroup v1 gives notice before it kills: the counter may lag behind, so it is looked at once more a little later. */
void oom_noticed(struct spawner *spawner, struct watch *watch, uint32_t events)
{
    struct slot *slot = (struct slot *)((char *)watch - offsetof(struct slot, oom));
    (void)events;
    acknowledge_oom(&spawner->cgroups, &slot->cgroup);
    struct counters counters;
    read_counters(&spawner->cgroups, &slot->cgroup, &counters); /* v2: reading is what silences the notice */
    struct step *step = slot->sandbox ? slot->sandbox->step : NULL;
    if (!step || step->has_cause)
        return;
    step->oom_after_end = step->oom_noticed ? step->oom_after_end : step->sandbox->main_ended;
    step->oom_noticed = true;
    if (counters.oom_kills > 0) {
        out_of_memory(spawner, step, &counters);
    } else {
        step->memory_check = monotonic_ns() + 2 * MS;
        arm(spawner, step);
    }
}

static void step_expired(struct spawner *spawner, struct timer *timer)
{
    struct step *step = (struct step *)((char *)timer - offsetof(struct step, timer));
    uint64_t now = monotonic_ns();
    if (!step->sandbox) {
        struct failure failure = {.stage = STAGE_QUEUE_TIMEOUT};
        fail_step(spawner, step, &failure);
        return;
    }
    if (step->wall_deadline && step->wall_deadline <= now) {
        step->wall_deadline = 0;
        step->evidence.limit_ms = step->limits.wall_time_ms;
        step_event(spawner, step, CAUSE_WALL_TIMEOUT, SCOPE_STEP);
    }
    if (step->grace_deadline && step->grace_deadline <= now) {
        step->grace_deadline = 0;
        step_event(spawner, step, step->cause, step->scope);
    }
    if (step->cpu_check && step->cpu_check <= now)
        check_cpu(spawner, step, now);
    if (step->memory_check && step->memory_check <= now)
        check_memory(spawner, step, now);
    arm(spawner, step);
}

static int hand_over(struct spawner *spawner, struct step *step, struct sandbox *sandbox, struct failure *failure)
{
    const struct cgroups *cgroups = &spawner->cgroups;
    struct job job = {.body_offset = step->body_offset,
                      .body_length = step->body_length,
                      .in_memory_file = step->memory_file >= 0,
                      .message_length = step->message_length};
    if (limit_cgroup(cgroups, &sandbox->slot->cgroup, &step->limits, 1))
        return fail(failure, is_exhaustion(errno) ? STAGE_RESOURCES : STAGE_CGROUP_LIMIT, NULL);
    if (!(cgroups->controllers & 1u << LAYER_PROCESSES) && step->limits.processes)
        job.process_limit =
            step->limits.processes + (sandbox->slot->identity.leased ? 0 : 1); /* init has the same id */
    int descriptors[4];
    size_t count = 0;
    if (step->memory_file >= 0)
        descriptors[count++] = step->memory_file;
    for (size_t i = 0; i < step->pipe_count; i++) {
        /* Or opening /dev/stdout would be refused: it opens the pipe anew. */
        if (sandbox->slot->identity.leased &&
            fchown(step->pipes[i], sandbox->slot->identity.step, sandbox->slot->identity.step))
            return fail(failure, STAGE_RESOURCES, NULL);
        descriptors[count++] = step->pipes[i];
    }
    struct iovec parts[] = {{&job, sizeof(job)}, {step->message, step->message ? step->message_length : 0}};
    if (send_packet(sandbox->jobs, parts, 2, descriptors, count, MSG_DONTWAIT))
        return fail(failure, STAGE_RESOURCES, NULL);
    return 0;
}

static void release(struct spawner *spawner, struct step *step, struct sandbox *sandbox)
{
    struct failure failure;
    leave_queue(step);
    sandbox->step = step;
    step->sandbox = sandbox;
    spawner->running++;
    step->released_at = monotonic_ns();
    if (hand_over(spawner, step, sandbox, &failure)) {
        fail_step(spawner, step, &failure);
        return;
    }
    for (size_t i = 0; i < step->pipe_count; i++)
        close_descriptor(&step->pipes[i]);
    free(step->message);
    step->message = NULL;
    close_descriptor(&step->memory_file);
    if (step->announce) {
        uint8_t space[64];
        struct writer writer = {.start = space, .size = sizeof(space)};
        write_started(&writer, step->id);
        tell_app(spawner, &writer);
    }
    step->queue_deadline = 0;
    if (step->limits.wall_time_ms)
        step->wall_deadline = step->released_at + step->limits.wall_time_ms * MS;
    if (step->limits.cpu_time_ms)
        check_cpu(spawner, step, step->released_at);
    if (step->limits.memory_bytes && sandbox->watched_proc >= 0 && !step->unwatched)
        step->memory_check = step->released_at + 10 * MS;
    arm(spawner, step);
}

void run_queue(struct spawner *spawner, struct policy *policy)
{
    while (policy->queue_first && spawner->running < spawner->configure.max_concurrent) {
        struct sandbox *sandbox = take_ready(spawner, policy);
        if (!sandbox)
            break;
        release(spawner, policy->queue_first, sandbox);
    }
    refill_after_release(spawner, policy);
    trim_later(spawner);
}

static struct step *new_step(struct spawner *spawner, const struct start *start, struct bytes message,
                             struct bytes body, int memory_file)
{
    struct step *step = calloc(1, sizeof(*step));
    if (!step)
        return NULL;
    step->memory_file = -1;
    step->message_length = message.length;
    step->body_offset = (uint64_t)(body.data - message.data);
    step->body_length = body.length;
    if (memory_file < 0) {
        step->message = malloc(message.length);
        if (!step->message) {
            free(step);
            return NULL;
        }
        memcpy(step->message, message.data, message.length);
    }
    step->id = start->step_id;
    step->limits = start->limits;
    step->announce = start->announce;
    step->queued_at = monotonic_ns();
    if (spawner->configure.queue_timeout_ms)
        step->queue_deadline = step->queued_at + spawner->configure.queue_timeout_ms * MS;
    step->hash_next = spawner->steps[step->id % STEP_BUCKETS];
    spawner->steps[step->id % STEP_BUCKETS] = step;
    return step;
}

static void enqueue(struct policy *policy, struct step *step)
{
    step->policy = policy;
    policy->last_used = step->queued_at;
    policy->resting = false;
    policy->queued++;
    if (policy->queue_last)
        policy->queue_last->next = step;
    else
        policy->queue_first = step;
    policy->queue_last = step;
}

static size_t count_pipes(const struct start *start)
{
    size_t count = 0;
    for (size_t i = 0; i < 3; i++)
        count += start->standard[i] == STDIO_PIPE;
    return count;
}

void start_step(struct spawner *spawner, struct bytes message, struct bytes body, struct packet *packet,
                int memory_file)
{
    struct start start;
    struct failure failure = {.stage = STAGE_PROTOCOL, .error = EPROTO};
    if (read_start(body, &start) || find_step(spawner, start.step_id)) {
        tell_failed(spawner, start.step_id, &failure);
        return;
    }
    struct policy *policy = find_policy(spawner, start.policy_id);
    size_t first = memory_file >= 0 ? 1 : 0, pipes = count_pipes(&start);
    if (!policy) {
        failure = (struct failure){.stage = STAGE_UNKNOWN_POLICY};
        tell_failed(spawner, start.step_id, &failure);
        return;
    }
    struct step *step = packet->truncated || packet->descriptor_count != first + pipes
                            ? NULL
                            : new_step(spawner, &start, message, body, memory_file);
    if (!step) {
        failure = (struct failure){.stage = STAGE_RESOURCES, .error = packet->truncated ? EMFILE : ENOMEM};
        tell_failed(spawner, start.step_id, &failure);
        return;
    }
    if (memory_file >= 0)
        step->memory_file = take_descriptor(&packet->descriptors[0]);
    for (size_t i = 0; i < pipes; i++)
        step->pipes[step->pipe_count++] = take_descriptor(&packet->descriptors[first + i]);
    enqueue(policy, step);
    if (policy->queue_first == step && policy->ready && spawner->running < spawner->configure.max_concurrent) {
        run_queue(spawner, policy);
        return;
    }
    arm(spawner, step);
    run_queue(spawner, policy);
}

static void cancel_queued(struct spawner *spawner, struct step *step, const struct kill_request *request)
{
    struct ended ended = {.step_id = step->id, .not_started = true, .signal = SIGKILL, .cause = request->cause};
    ended.usage.queue_ns = monotonic_ns() - step->queued_at;
    uint8_t space[128];
    struct writer writer = {.start = space, .size = sizeof(space)};
    write_ended(&writer, &ended);
    leave_queue(step);
    tell_app(spawner, &writer);
    forget_step(spawner, step);
}

void kill_step(struct spawner *spawner, struct bytes body)
{
    struct kill_request request;
    if (read_kill(body, &request))
        return;
    struct step *step = find_step(spawner, request.step_id);
    if (!step)
        return;
    if (!step->sandbox) {
        if (request.cause != CAUSE_EXIT)
            cancel_queued(spawner, step, &request);
        return;
    }
    if (request.signal == 0 || request.signal == SIGKILL) {
        step_event(spawner, step, request.cause == CAUSE_EXIT ? (uint32_t)CAUSE_KILLED : request.cause, SCOPE_STEP);
        return;
    }
    if (request.cause != CAUSE_EXIT && !step->has_cause) {
        step->has_cause = true;
        step->cause = request.cause;
        step->scope = SCOPE_STEP;
        step->evidence.kill_signal = request.signal;
    }
    syscall(SYS_pidfd_send_signal, step->sandbox->main.fd, request.signal, NULL, 0);
    if (request.grace_ms) {
        step->grace_deadline = monotonic_ns() + request.grace_ms * MS;
        arm(spawner, step);
    }
}
