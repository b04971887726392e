/* Sessions: sandboxes that live, and the commands that run in them. Runs in the spawner.
 * A session is the step of its policy: it has deadlines, limits and an end as any other, but its init serves as the
 * maker of the commands' policy instead of running something (sandbox/session.c). A command is a sandbox to all the
 * rest of the spawner; it has a cgroup below the session's, the session's identity, and a keeper in init's place. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { WATCH_PAUSE_NS = 10000000 };

struct session *find_session(struct spawner *spawner, uint64_t step_id)
{
    for (struct session *session = spawner->sessions; session; session = session->next) {
        if (session->step_id == step_id && session->sandbox && !session->over)
            return session;
    }
    return NULL;
}

int prepare_session(struct spawner *spawner, struct sandbox *sandbox)
{
    struct session *session = calloc(1, sizeof(*session));
    if (!session)
        return -1;
    session->own = session->freezer = -1;
    session->sandbox = sandbox;
    session->next = spawner->sessions;
    spawner->sessions = session;
    sandbox->session = session;
    return open_nested(&session->cgroups, &spawner->cgroups, &sandbox->slot->cgroup, &session->own);
}

/* What it was told of its step's end counts for them, too. */
void end_session(struct spawner *spawner, struct sandbox *sandbox)
{
    const struct step *own = sandbox->step;
    uint32_t cause = own && own->has_cause && own->cause != CAUSE_KILLED ? own->cause : (uint32_t)CAUSE_DESTROYED;
    sandbox->session->over = true;
    end_standing(spawner, sandbox->session);
    for (struct sandbox *command = spawner->others; command; command = command->next) {
        struct step *step = command->step;
        if (command->within != sandbox->session || !step || step->has_cause)
            continue;
        step->has_cause = true;
        step->cause = cause;
        step->scope = SCOPE_SANDBOX;
        if (own)
            step->evidence.limit_ms = own->evidence.limit_ms;
    }
    for (struct policy *policy = spawner->policies; policy; policy = policy->next) {
        while (policy->within && policy->within == sandbox->session->step_id && policy->queue_first)
            cancel_queued(spawner, policy->queue_first, cause, SCOPE_SANDBOX);
    }
}

bool outlived_by_commands(struct sandbox *sandbox)
{
    return sandbox->session && sandbox->session->commands > 0;
}

static void drop_session(struct spawner *spawner, struct session *session)
{
    struct session **at = &spawner->sessions;
    while (*at != session)
        at = &(*at)->next;
    *at = session->next;
    free(session);
}

void free_session(struct spawner *spawner, struct sandbox *sandbox)
{
    struct session *session = sandbox->session;
    if (!session)
        return;
    remove_slots_of(spawner, session);
    close_nested(&session->cgroups, &session->own);
    if (session->freezer >= 0)
        remove_freezer(&spawner->cgroups, sandbox->id, &session->freezer);
    sandbox->session = NULL;
    drop_session(spawner, session);
}

/* Keepers are ours, and none of the processes that the app permits. */
static void limit_session(const struct spawner *spawner, const struct session *session)
{
    const struct sandbox *sandbox = session->sandbox;
    if (sandbox->step && !session->over)
        limit_cgroup(&spawner->cgroups, &sandbox->slot->cgroup, &sandbox->step->limits, 1 + session->commands);
}

/* The numbers of a line of a pidfd's fdinfo; 0: there are none. */
static pid_t first_number(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    return at ? (pid_t)strtol(at + strlen(line), NULL, 10) : 0;
}

static pid_t last_number(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    size_t length = at ? strcspn(at + 1, "\n") + 1 : 0;
    while (length > 0 && at[length - 1] >= '0' && at[length - 1] <= '9')
        length--;
    return length > 0 ? (pid_t)strtol(at + length, NULL, 10) : 0;
}

pid_t pid_behind(const struct spawner *spawner, int pidfd)
{
    char path[48], text[512];
    snprintf(path, sizeof(path), "self/fdinfo/%d", pidfd);
    return read_file_at(spawner->proc, path, text, sizeof(text)) < 0 ? 0 : first_number(text, "\nPid:");
}

int see_keeper(const struct spawner *spawner, struct sandbox *sandbox)
{
    char path[48], text[512];
    snprintf(path, sizeof(path), "self/fdinfo/%d", sandbox->life.fd);
    if (read_file_at(spawner->proc, path, text, sizeof(text)) < 0)
        return -1;
    sandbox->init = first_number(text, "\nPid:");
    sandbox->keeper = last_number(text, "\nNSpid:");
    return sandbox->init > 0 && sandbox->keeper > 0 ? 0 : -1;
}

int enter_session(struct spawner *spawner, struct sandbox *sandbox)
{
    struct session *session = find_session(spawner, sandbox->policy->within);
    if (!session)
        return -1;
    sandbox->within = session;
    session->commands++;
    limit_session(spawner, session);
    return 0;
}

void leave_session(struct spawner *spawner, struct sandbox *sandbox)
{
    struct session *session = sandbox->within;
    if (!session)
        return;
    sandbox->within = NULL;
    session->commands--;
    stand_still_again(spawner, session);
    if (session->commands == 0 && session->gone)
        session_gone(spawner, session->sandbox);
    else
        limit_session(spawner, session);
}

int send_command(struct spawner *spawner, struct sandbox *sandbox, int reports, int jobs)
{
    struct make_request request = {.sandbox = sandbox->id,
                                   .identity = sandbox->slot->identity,
                                   .memory_counted = (spawner->cgroups.controllers & 1u << LAYER_MEMORY) != 0};
    int descriptors[2 + HIERARCHIES] = {reports, jobs}, opened;
    request.cgroup_count = (uint32_t)attach_files(spawner, sandbox, &descriptors[2], &opened);
    autoclose int owned = opened;
    if (spawner->cgroups.version == 2 && owned < 0)
        return -1;
    struct iovec part = {&request, sizeof(request)};
    return send_packet(sandbox->policy->maker.fd, &part, 1, descriptors, 2 + request.cgroup_count, MSG_DONTWAIT);
}

int open_session(struct spawner *spawner, struct policy *policy, struct failure *failure)
{
    const struct session *session = find_session(spawner, policy->within);
    if (!session) {
        *failure = (struct failure){.stage = STAGE_SESSION};
        return -1;
    }
    autoclose int socket = fcntl(session->sandbox->jobs, F_DUPFD_CLOEXEC, 0);
    if (socket < 0 || watch_descriptor(spawner, &policy->maker, socket, EPOLLIN, maker_ready)) {
        policy->maker.fd = -1;
        return fail(failure, STAGE_RESOURCES, NULL);
    }
    take_descriptor(&socket);
    return 0;
}

/* Where the app looks at what was written to overlays: no process inside ever has that directory. */
int give_tree(struct sandbox *sandbox, const struct step *step)
{
    uint8_t notes = sandbox->users_notes;
    struct iovec part = {&notes, 1};
    autoclose int tree = sandbox->tree;
    sandbox->tree = -1;
    if (step->descriptor_count == 0)
        return 0;
    return send_packet(step->descriptors[0], &part, 1, &tree, tree < 0 ? 0 : 1, MSG_DONTWAIT);
}

static const uint64_t MOST_NS = 5000000000u; /* that a keeper takes for its end */

/* A keeper that does not get there is of no use: then the kernel ends all, by way of init. */
void expect_end_of(struct spawner *spawner, struct step *step)
{
    if (!step->sandbox->within || step->keeper_deadline)
        return;
    step->keeper_deadline = monotonic_ns() + MOST_NS;
    arm_step(spawner, step);
}

static void end_all(struct spawner *spawner, const struct session *session)
{
    if (session->sandbox && session->sandbox->step)
        step_event(spawner, session->sandbox->step, CAUSE_DESTROYED, SCOPE_SANDBOX);
}

void keeper_expired(struct spawner *spawner, struct step *step)
{
    step->keeper_deadline = 0;
    end_all(spawner, step->sandbox->within);
}

static void unkept_expired(struct spawner *spawner, struct timer *timer)
{
    const struct sandbox *sandbox = (struct sandbox *)((char *)timer - offsetof(struct sandbox, unkept));
    end_all(spawner, sandbox->within);
}

void expect_end_unasked(struct spawner *spawner, struct sandbox *sandbox)
{
    if (sandbox->step || sandbox->unkept.index)
        return;
    sandbox->unkept.expired = unkept_expired;
    set_timer(&spawner->timers, &sandbox->unkept, monotonic_ns() + MOST_NS); /* without memory for it, as it comes */
}

/* What it holds is about to come back. */
bool is_one_ending(const struct spawner *spawner, const struct session *session)
{
    for (const struct sandbox *command = spawner->others; command; command = command->next) {
        if (command->within == session && command->state == SANDBOX_ENDING)
            return true;
    }
    return false;
}

uint32_t scope_of_session_oom(const struct spawner *spawner, const struct session *session)
{
    struct counters counters;
    if (!session->sandbox)
        return SCOPE_HOST;
    const struct cgroup *cgroup = &session->sandbox->slot->cgroup;
    read_counters(&spawner->cgroups, cgroup, &counters);
    /* v1 counts a kill for the cgroup of the process alone. */
    uint64_t limit = cgroup->applied.memory_bytes;
    bool full = spawner->cgroups.version == 1 && counters.peak_bytes + limit / 16 >= limit;
    return limit > 0 && (counters.limit_hits > 0 || full) ? SCOPE_SANDBOX : SCOPE_HOST;
}

/* ------------------------------------------------------------ what a command leaves behind */

/* Its keeper ends when nothing is left of it, and with that the sandbox. What it may use of memory and processes holds
 * on; its times were the step's. */
void stay_behind(struct spawner *spawner, struct step *step)
{
    struct sandbox *sandbox = step->sandbox, *session = sandbox->within->sandbox;
    sandbox->stays = true;
    unwatch(spawner, &sandbox->reports); /* whatever it was, its step knows; many may stay */
    unwatch(spawner, &sandbox->main);
    close_descriptor(&sandbox->jobs);
    if (sandbox->watched_proc < 0 || !session || !session->step || session->step->memory_check)
        return;
    session->step->memory_check = monotonic_ns() + WATCH_PAUSE_NS;
    arm_step(spawner, session->step);
}

static bool is_to_end(const struct spawner *spawner, const struct sandbox *stayer)
{
    uint64_t limit = stayer->slot->cgroup.applied.memory_bytes;
    bool over = false;
    if (limit && watched_memory(stayer, limit, &over))
        return true; /* what cannot be watched is not let run */
    if (!over && !is_one_ending(spawner, stayer->within) && watched_session(stayer, &over))
        return true;
    return over;
}

/* A command that runs is watched by its step; what stays has none. */
void check_stayers(struct spawner *spawner, struct step *step, uint64_t now)
{
    const struct session *session = step->sandbox->session;
    bool any = false;
    step->memory_check = 0;
    for (struct sandbox *stayer = spawner->others, *next; stayer; stayer = next) {
        next = stayer->next;
        if (stayer->within != session || !stayer->stays || stayer->state != SANDBOX_RUNNING)
            continue;
        any = true;
        if (is_to_end(spawner, stayer))
            end_sandbox(spawner, stayer);
    }
    uint64_t after = monotonic_ns(), pause = after - now;
    if (any)
        step->memory_check = after + (pause < WATCH_PAUSE_NS ? WATCH_PAUSE_NS : pause);
}
