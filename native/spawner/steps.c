/* Steps: from the app's Start to their release into a sandbox, and what the app says to them. Runs in the spawner. Each
 * gets one answer: by fail_step() here, or by ending.c. */
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

static void close_descriptors(struct step *step)
{
    for (size_t i = 0; i < step->descriptor_count; i++)
        close_descriptor(&step->descriptors[i]);
    close_descriptor(&step->memory_file);
}

void forget_step(struct spawner *spawner, struct step *step)
{
    struct step **at = &spawner->steps[step->id % STEP_BUCKETS];
    while (*at != step)
        at = &(*at)->hash_next;
    *at = step->hash_next;
    clear_timer(&spawner->timers, &step->timer);
    close_descriptors(step);
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

/* Zygotes and sessions are there for others. */
static bool takes_place(const struct policy *policy)
{
    return !policy->zygote && !policy->session;
}

void detach_step(struct spawner *spawner, struct step *step)
{
    struct sandbox *sandbox = step->sandbox;
    if (!sandbox) {
        leave_queue(step);
        return;
    }
    sandbox->step = NULL;
    step->sandbox = NULL;
    spawner->running -= takes_place(sandbox->policy);
    if (!sandbox->stays)
        end_sandbox(spawner, sandbox);
}

void run_all_queues(struct spawner *spawner)
{
    for (struct policy *policy = spawner->policies; policy; policy = policy->next) {
        if (policy->queue_first)
            run_queue(spawner, policy);
    }
}

void fail_step(struct spawner *spawner, struct step *step, const struct failure *failure)
{
    bool ran = step->sandbox != NULL;
    detach_step(spawner, step);
    tell_failed(spawner, step->id, failure);
    forget_step(spawner, step);
    if (ran)
        run_all_queues(spawner);
}

/* What booting took is not the step's. */
static int begin_counting(struct sandbox *sandbox)
{
    if (!boots(sandbox->policy))
        return 0; /* it has done nothing since its sandbox was made ready */
    if (sandbox->watched_proc >= 0)
        return watched_cpu_ns(sandbox, &sandbox->watched_cpu_ns);
    return begin_cgroup(sandbox->slot->cgroups, &sandbox->slot->cgroup);
}

/* Somebody has ended who waited for the step: a command of the same sandbox, or the system. */
static bool is_end(int error)
{
    return error == EPIPE || error == ECONNRESET || error == ESRCH;
}

/* What it is to watch: memory only where no cgroup counts it. */
static int tell_warden(const struct sandbox *sandbox, const struct step *step)
{
    bool counted = sandbox->slot->cgroups->controllers & 1u << LAYER_MEMORY;
    struct watched_limits limits = {.memory_bytes = counted ? 0 : step->limits.memory_bytes,
                                    .scratch_bytes = sandbox->policy->scratch_bytes};
    struct iovec part = {&limits, sizeof(limits)};
    return send_packet(sandbox->reports.fd, &part, 1, NULL, 0, MSG_DONTWAIT);
}

static int hand_over(struct spawner *spawner, struct step *step, struct sandbox *sandbox, struct failure *failure)
{
    const struct cgroups *cgroups = sandbox->slot->cgroups;
    struct job job = {.body_offset = step->body_offset,
                      .body_length = step->body_length,
                      .in_memory_file = step->memory_file >= 0,
                      .message_length = step->message_length};
    if (begin_counting(sandbox) ||
        limit_cgroup(cgroups, &sandbox->slot->cgroup, &step->limits, sandbox->within ? 0 : 1) ||
        kill_one_for_memory(cgroups, &sandbox->slot->cgroup, !takes_place(sandbox->policy)))
        return fail(failure, is_exhaustion(errno) ? STAGE_RESOURCES : STAGE_CGROUP_LIMIT, NULL);
    if (sandbox->session) { /* it has no job: it waits for commands */
        sandbox->session->step_id = step->id;
        return give_tree(sandbox, step) ? fail(failure, STAGE_RESOURCES, NULL) : 0;
    }
    if (!(cgroups->controllers & 1u << LAYER_PROCESSES) && step->limits.processes)
        job.process_limit = step->limits.processes +
                            (sandbox->slot->identity.leased
                                 ? 0
                                 : 1 + (sandbox->within ? sandbox->within->commands : 0)); /* ours have the same id */
    if (sandbox->policy->portable && job.process_limit && !sandbox->slot->identity.leased)
        job.process_limit = step->limits.processes + count_own_threads(spawner);
    if (sandbox->boot_processes && job.process_limit > sandbox->boot_processes)
        job.process_limit = sandbox->boot_processes;
    /* Where no file system bounds what is written, no file is larger than all may be; their sum is looked at. */
    if (sandbox->policy->portable && !sandbox->policy->has_writable)
        job.file_limit = sandbox->policy->scratch_bytes;
    /* What is in them belongs to no process, so nobody who watches those would see it. */
    if (!(cgroups->controllers & 1u << LAYER_MEMORY) && step->files > 0)
        job.file_limit = step->limits.memory_bytes / step->files;
    int descriptors[PACKET_DESCRIPTORS];
    size_t count = 0;
    autoclose int control = sandbox->policy->zygote ? begin_zygote(spawner, sandbox, step->id) : -1;
    if (sandbox->policy->zygote && control < 0)
        return fail(failure, STAGE_RESOURCES, NULL);
    job.has_control = control >= 0;
    if (step->memory_file >= 0)
        descriptors[count++] = step->memory_file;
    for (size_t i = 0; i < step->descriptor_count; i++) {
        /* Or opening /dev/stdout would be refused: it opens the pipe anew. */
        if (sandbox->slot->identity.leased && (step->pipes & 1ull << i) &&
            fchown(step->descriptors[i], sandbox->slot->identity.step, sandbox->slot->identity.step))
            return fail(failure, STAGE_RESOURCES, NULL);
        descriptors[count++] = step->descriptors[i];
    }
    if (control >= 0)
        descriptors[count++] = control;
    if (sandbox->policy->portable && tell_warden(sandbox, step))
        return fail(failure, is_end(errno) ? STAGE_LOST : STAGE_RESOURCES, NULL);
    /* Before there is anything that could end. */
    struct iovec parts[] = {{&job, sizeof(job)}, {step->message, step->message ? step->message_length : 0}};
    bool told = !step->keep_background || !syscall(SYS_pidfd_send_signal, sandbox->life.fd, KEEP_BACKGROUND, NULL, 0);
    if (!told || send_packet(sandbox->jobs, parts, 2, descriptors, count, MSG_DONTWAIT)) {
        /* A program that has booted may have ended by itself: its end, which says why, is about to be told. */
        sandbox->untaken = told && has_foreign_ends(sandbox->policy) && is_end(errno);
        return sandbox->untaken ? 0 : fail(failure, is_end(errno) ? STAGE_LOST : STAGE_RESOURCES, NULL);
    }
    if (sandbox->within &&
        boots(sandbox->policy)) /* another command may have stopped it; its keeper looks after ours */
        syscall(SYS_pidfd_send_signal, sandbox->main.fd, SIGCONT, NULL, 0);
    return 0;
}

static void release(struct spawner *spawner, struct step *step, struct sandbox *sandbox)
{
    struct failure failure;
    leave_queue(step);
    step->policy->failures = 0; /* only now: what was made for nobody may have been good for nothing */
    sandbox->step = step;
    step->sandbox = sandbox;
    spawner->running += takes_place(sandbox->policy);
    step->released_at = monotonic_ns();
    sandbox->step_id = step->id;
    sandbox->released_at = step->released_at;
    if (hand_over(spawner, step, sandbox, &failure)) {
        fail_step(spawner, step, &failure);
        return;
    }
    close_descriptors(step);
    free(step->message);
    step->message = NULL;
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
        check_cpu_time(spawner, step, step->released_at);
    if ((step->limits.memory_bytes || sandbox->within) && sandbox->watched_proc >= 0 && !sandbox->policy->portable &&
        !step->unwatched)
        step->memory_check = step->released_at + 10 * MS;
    arm_step(spawner, step);
}

uint32_t free_places(struct spawner *spawner, const struct policy *policy)
{
    uint32_t most = spawner->configure.max_concurrent;
    if (policy->session)
        return UINT32_MAX;
    if (is_held(spawner, policy))
        return 0;
    return most > spawner->running ? most - spawner->running : 0;
}

void run_queue(struct spawner *spawner, struct policy *policy)
{
    while (policy->queue_first && free_places(spawner, policy) > 0) {
        struct sandbox *sandbox = take_ready(spawner, policy);
        if (!sandbox)
            break;
        release(spawner, policy->queue_first, sandbox);
    }
    while (policy->fresh && policy->ready && !policy->queue_first) /* the step that it was made for has gone */
        end_sandbox(spawner, policy->ready);
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
    step->keep_background = start->keep_background;
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

/* What a zygote itself were given, all of its steps would have; and by a socket, descriptors would leave a step. */
static bool may_have_further(const struct policy *policy, const struct start *start)
{
    for (size_t i = 0; i < start->further_count; i++) {
        if (start->further[i] == FURTHER_TREE_SOCKET ? !policy->session || i > 0 : !takes_place(policy))
            return false;
    }
    return true;
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
    size_t first = memory_file >= 0 ? 1 : 0, standard = count_standard(&start), all = standard + start.further_count;
    if (!policy) {
        errno = ENOMEM;
        if (spawner->has_lost_policies)
            fail(&failure, STAGE_RESOURCES, LOST_POLICY);
        else
            failure = (struct failure){.stage = STAGE_UNKNOWN_POLICY};
        tell_failed(spawner, start.step_id, &failure);
        return;
    }
    if (start.builtin && !policy->within) { /* only sandboxes that live have it */
        tell_failed(spawner, start.step_id, &failure);
        return;
    }
    if (spawner->most_further < start.further_count)
        spawner->most_further = (uint32_t)start.further_count;
    bool whole = !packet->truncated && packet->descriptor_count == first + all;
    if ((whole && take_further(&start, &packet->descriptors[first + standard], &failure)) ||
        !may_have_further(policy, &start) || (start.keep_background && !policy->within)) {
        tell_failed(spawner, start.step_id, &failure);
        return;
    }
    struct step *step = !whole ? NULL : new_step(spawner, &start, message, body, memory_file);
    if (!step) {
        failure = (struct failure){.stage = STAGE_RESOURCES, .error = packet->truncated ? EMFILE : ENOMEM};
        tell_failed(spawner, start.step_id, &failure);
        return;
    }
    if (memory_file >= 0)
        step->memory_file = take_descriptor(&packet->descriptors[0]);
    for (size_t i = 0; i < all; i++) {
        if (i < standard ? start.columns == 0 : start.further[i - standard] == FURTHER_OUTPUT_PIPE)
            step->pipes |= 1ull << i;
        else if (i >= standard)
            step->files += start.further[i - standard] == FURTHER_FILE;
        step->descriptors[step->descriptor_count++] = take_descriptor(&packet->descriptors[first + i]);
    }
    enqueue(policy, step);
    if (policy->queue_first == step && policy->ready && free_places(spawner, policy) > 0) {
        run_queue(spawner, policy);
        return;
    }
    arm_step(spawner, step);
    run_queue(spawner, policy);
}

void cancel_queued(struct spawner *spawner, struct step *step, uint32_t cause, uint32_t scope)
{
    struct ended ended = {.step_id = step->id, .not_started = true, .signal = SIGKILL, .cause = cause, .scope = scope};
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
            cancel_queued(spawner, step, request.cause, SCOPE_STEP);
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
        arm_step(spawner, step);
    }
}
