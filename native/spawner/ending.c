/* How a step ended, from the first event to the answer. The first event decides the cause; what the kernel counted
 * decides between them when they come together. Runs in the spawner; what it believes comes from the kernel and from
 * init.
 *
 * A step whose main process had ended already has its end, whatever the kernel ends afterwards for want of memory. On
 * cgroup v1 the order tells. The pidfd and the notice that memory runs out, which the kernel gives before it kills,
 * wait in one epoll, which hands them over in the order in which they came. On cgroup v2 notices come late; but there
 * the kernel ends all of a group together (memory.oom.group), so a main process that had lived would have been ended,
 * too. */
#include "spawner/spawner.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { ENDED_BY_THEN_NS = 20000000 };

void main_ended(struct spawner *spawner, struct watch *watch, uint32_t events)
{
    struct sandbox *sandbox = (struct sandbox *)((char *)watch - offsetof(struct sandbox, main));
    (void)events;
    sandbox->main_ended = true;
    if (sandbox->stays)
        return;
    if (sandbox->step && sandbox->step->keep_background && !sandbox->step->has_cause) {
        expect_end_of(spawner, sandbox->step); /* its keeper ends nothing, and has to say so */
        return;
    }
    lift_cpu_quota(sandbox->slot->cgroups, &sandbox->slot->cgroup); /* init is ending the rest */
    if (sandbox->step) {
        sandbox->step->fork_stop = monotonic_ns() + ENDED_BY_THEN_NS; /* most are gone long before */
        arm_step(spawner, sandbox->step);
        expect_end_of(spawner, sandbox->step);
    }
}

static bool was_killed(const struct report *report)
{
    return report->wait_code != CLD_EXITED && report->wait_status == SIGKILL;
}

/* Whether the main process had ended when the kernel ended another for its memory. A kill without a notice (the
 * machine's own memory, on v1) can have come at any time: then it counts as the cause. */
static bool exited_before_oom(const struct spawner *spawner, const struct step *step, const struct report *report)
{
    return report && (spawner->cgroups.version == 2 ? !was_killed(report) : step->oom_after_end);
}

/* What linux/pidfd.h has where the kernel can tell, from 6.15 on: how a process that has been reaped had ended. */
struct exit_info {
    uint64_t mask, cgroup;
    uint32_t ids[11];
    int32_t status;
};
enum { INFO_EXIT = 1 << 3 };
#define GET_EXIT_INFO _IOWR(0xff, 11, struct exit_info)

/* How it ended, when init has ended without a report and the kernel can tell. */
static bool exit_of(const struct sandbox *sandbox, struct report *report)
{
    struct exit_info info = {.mask = INFO_EXIT};
    if (ioctl(sandbox->main.fd, GET_EXIT_INFO, &info) || !(info.mask & INFO_EXIT))
        return false;
    bool exited = WIFEXITED(info.status);
    *report = (struct report){.kind = REPORT_ENDED,
                              .wait_code = exited ? CLD_EXITED : CLD_KILLED,
                              .wait_status = exited ? WEXITSTATUS(info.status) : WTERMSIG(info.status)};
    return true;
}

void step_event(struct spawner *spawner, struct step *step, uint32_t cause, uint32_t scope)
{
    if (!step->has_cause) {
        step->has_cause = true;
        step->cause = cause;
        step->scope = scope;
    }
    if (step->sandbox && step->sandbox->state == SANDBOX_RUNNING)
        step->evidence.scratch_full |= is_scratch_full(spawner, step->sandbox);
    if (step->sandbox) {
        end_sandbox(spawner, step->sandbox);
        expect_end_of(spawner, step);
    }
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
    /* It is in the same cgroup, and nothing that the step made; a keeper is in the session's. */
    uint64_t now = monotonic_ns(), init = step->sandbox->within ? 0 : 1;
    ended->usage = (struct usage){
        .queue_ns = step->released_at - step->queued_at,
        .wall_ns = now - step->released_at,
        .user_cpu_ns = counters->user_ns,
        .system_cpu_ns = counters->system_ns,
        .peak_memory_bytes = counters->peak_bytes,
        .peak_processes = counters->peak_processes > init ? (uint32_t)(counters->peak_processes - init) : 0};
}

/* Whether the kernel's own limit of this cgroup was hit, or one above it that is not the step's. */
uint32_t scope_of_oom(const struct spawner *spawner, const struct step *step, const struct counters *counters)
{
    bool own = step->limits.memory_bytes && counters->limit_hits > 0;
    if (!own && step->sandbox && step->sandbox->within)
        return scope_of_session_oom(spawner, step->sandbox->within);
    return own ? SCOPE_STEP : SCOPE_HOST;
}

/* Without a cgroup: what init has reaped, less what was used before the step was released. */
static struct counters reaped(const struct sandbox *sandbox, const struct report *report)
{
    uint64_t all = report->user_ns + report->system_ns, before = sandbox->watched_cpu_ns;
    double share = all > before ? (double)(all - before) / (double)all : 0;
    struct counters counters = {.user_ns = (uint64_t)((double)report->user_ns * share),
                                .system_ns = (uint64_t)((double)report->system_ns * share),
                                .peak_bytes = report->peak_bytes};
    counters.cpu_ns = counters.user_ns + counters.system_ns;
    return counters;
}

static void answer(struct spawner *spawner, struct step *step, const struct report *report)
{
    struct counters counters = {0};
    struct sandbox *sandbox = step->sandbox;
    struct ended ended = {.step_id = step->id, .evidence = step->evidence};
    bool ended_by_us = step->has_cause && report == NULL;
    read_counters(sandbox->slot->cgroups, &sandbox->slot->cgroup, &counters);
    if (!spawner->cgroups.version && report)
        counters = reaped(sandbox, report);
    if (boots(sandbox->policy))
        counters.peak_processes = 0; /* that of booting, as likely as not */
    ended.evidence.oom_kills = (uint32_t)counters.oom_kills;
    ended.evidence.process_limit_hits = (uint32_t)counters.fork_refusals;
    ended.evidence.memory_limit_hits = counters.limit_hits;
    ended.evidence.memory_limit_bytes = step->limits.memory_bytes;
    bool too_late = counters.oom_kills > 0 && exited_before_oom(spawner, step, report);
    ended.evidence.main_exited_first |= too_late;
    if (counters.oom_kills > 0 && !step->has_cause && !too_late) {
        step->has_cause = true;
        step->cause = CAUSE_OOM;
        step->scope = scope_of_oom(spawner, step, &counters);
        ended_by_us = true; /* by the kernel, by our limit */
    }
    if (step->cause == CAUSE_OOM)
        step->scope = step->evidence.memory_watched ? step->scope : scope_of_oom(spawner, step, &counters);
    if (report) {
        bool exited = report->wait_code == CLD_EXITED;
        ended.exit_code = exited ? (uint32_t)report->wait_status & 0xFF : 0;
        ended.signal = exited ? 0 : (uint32_t)report->wait_status & 0x7F;
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
    if (report && step->keep_background && !step->has_cause)
        stay_behind(spawner, step);
    uint8_t space[1024];
    struct writer writer = {.start = space, .size = sizeof(space)};
    write_ended(&writer, &ended);
    tell_app(spawner, &writer);
    detach_step(spawner, step);
    forget_step(spawner, step);
    run_all_queues(spawner);
}

/* A socket that is closed with something unread in it tells the other end. */
static bool was_taken(const struct sandbox *sandbox)
{
    int error = 0;
    socklen_t size = sizeof(error);
    return getsockopt(sandbox->jobs, SOL_SOCKET, SO_ERROR, &error, &size) || error != ECONNRESET;
}

/* It was too much of something, or could not be looked at any longer. True: the step has its answer. */
static bool ended_by_warden(struct spawner *spawner, struct step *step, const struct report *report)
{
    if (report->over == OVER_UNSEEN) {
        struct failure failure = {.stage = STAGE_WATCH, .error = report->over_error};
        fail_step(spawner, step, &failure);
        return true;
    }
    step->has_cause = true;
    step->cause = CAUSE_OOM;
    step->scope = SCOPE_STEP;
    step->evidence.memory_watched = true;
    step->evidence.scratch_full = report->over == OVER_SCRATCH;
    return false;
}

/* Init reports: nothing is left inside. */
void step_ended(struct spawner *spawner, struct step *step, const struct report *report)
{
    /* What we ended has our status, even when its own end crossed ours on the way; a signal that the app sent leaves
     * the word to the step. */
    bool killed_by_us = step->has_cause && step->evidence.kill_signal == 0;
    if (keeps_its_end(step->sandbox)) {
        step->sandbox->zygote->end_kept = true;
        return;
    }
    if (report && report->over && !step->has_cause && ended_by_warden(spawner, step, report))
        return;
    bool untaken = step->sandbox->untaken || (report && !was_killed(report) && !was_taken(step->sandbox));
    if (report && !step->has_cause && untaken) {
        struct failure failure = {.stage = STAGE_NOT_TAKEN};
        fail_step(spawner, step, &failure);
        return;
    }
    answer(spawner, step, killed_by_us ? NULL : report);
}

/* Init is gone without a report: we ended it, or something else did; on cgroup v2 the kernel, with all the others. */
void step_lost(struct spawner *spawner, struct step *step)
{
    struct counters counters;
    struct report report;
    read_counters(step->sandbox->slot->cgroups, &step->sandbox->slot->cgroup, &counters);
    if (step->has_cause || (counters.oom_kills > 0 && !step->sandbox->session)) {
        bool told = !step->has_cause && exit_of(step->sandbox, &report);
        answer(spawner, step, told ? &report : NULL);
        return;
    }
    struct failure failure = {.stage = step->unwatched ? STAGE_WATCH : STAGE_LOST, .error = step->unwatched};
    fail_step(spawner, step, &failure);
}
