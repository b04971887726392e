/* One sandbox from the request to its maker until nothing of it is left. Runs in the spawner.
 * Its init is ours; what is below init is hostile and shares no socket with us but, until it executes its job, init's.
 */
#include "spawner/spawner.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static void link_into(struct sandbox **list, struct sandbox *sandbox)
{
    sandbox->previous = NULL;
    sandbox->next = *list;
    if (*list)
        (*list)->previous = sandbox;
    *list = sandbox;
}

static struct sandbox **list_of(struct spawner *spawner, struct sandbox *sandbox)
{
    if (sandbox->state == SANDBOX_READY)
        return &sandbox->policy->ready;
    return sandbox->state == SANDBOX_EMPTY ? &sandbox->policy->empty : &spawner->others;
}

/* How many of its policy's are in that state; NULL: nobody asks. */
static uint32_t *count_of(struct sandbox *sandbox)
{
    switch (sandbox->state) {
    case SANDBOX_MAKING: /* until it is parked it counts as on its way, or too many would be asked for */
        return &sandbox->policy->making;
    case SANDBOX_EMPTY:
        return &sandbox->policy->empty_count;
    case SANDBOX_FILLING:
        return &sandbox->policy->filling;
    case SANDBOX_READY:
        return &sandbox->policy->ready_count;
    default:
        return NULL;
    }
}

void set_state(struct spawner *spawner, struct sandbox *sandbox, enum sandbox_state state)
{
    struct sandbox **list = list_of(spawner, sandbox);
    if (sandbox->previous)
        sandbox->previous->next = sandbox->next;
    else
        *list = sandbox->next;
    if (sandbox->next)
        sandbox->next->previous = sandbox->previous;
    uint32_t *count = count_of(sandbox);
    if (count)
        (*count)--;
    sandbox->state = state;
    count = count_of(sandbox);
    if (count)
        (*count)++;
    link_into(list_of(spawner, sandbox), sandbox);
}

static void release_sandbox(struct spawner *spawner, struct sandbox *sandbox);

static struct sandbox *new_sandbox(struct spawner *spawner, struct policy *policy, struct slot *slot)
{
    struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    if (!sandbox)
        return NULL;
    sandbox->reports.fd = sandbox->life.fd = sandbox->listener.fd = sandbox->main.fd = -1;
    sandbox->jobs = sandbox->watched_proc = sandbox->watched_scratch = -1;
    sandbox->net = sandbox->user = sandbox->tree = -1;
    sandbox->id = ++spawner->next_sandbox;
    sandbox->policy = policy;
    sandbox->slot = slot;
    slot->sandbox = sandbox;
    policy->making++;
    link_into(&spawner->others, sandbox);
    return sandbox;
}

static int send_request(struct spawner *spawner, struct sandbox *sandbox, int reports, int jobs)
{
    const struct cgroup *cgroup = &sandbox->slot->cgroup;
    struct make_request request = {.sandbox = sandbox->id,
                                   .identity = sandbox->slot->identity,
                                   .cgroup_version = spawner->cgroups.version,
                                   .cgroup_count = cgroup->attach_count,
                                   .memory_counted = (spawner->cgroups.controllers & 1u << LAYER_MEMORY) != 0};
    int descriptors[2 + HIERARCHIES + 4] = {reports, jobs};
    memcpy(&descriptors[2], cgroup->attach, sizeof(int) * cgroup->attach_count);
    size_t count = 2 + cgroup->attach_count;
    if (sandbox->policy->zygote) {
        request.ids = (struct id_range){spawner->id_start, spawner->id_count};
        request.own = spawner->privileged ? 0 : spawner->id_start + spawner->id_count;
    }
    if (sandbox->nest) {
        request.below = true;
        descriptors[count++] = sandbox->nest->zygote->user;
        descriptors[count++] = sandbox->nest->zygote->pid;
    } else {
        count += lend_namespaces(spawner, sandbox, &request, &descriptors[count]);
    }
    if (sandbox->session && sandbox->session->own >= 0)
        descriptors[2] = sandbox->session->own;
    struct iovec part = {&request, sizeof(request)};
    return send_packet(sandbox->policy->maker.fd, &part, 1, descriptors, count, MSG_DONTWAIT);
}

/* A session is of no use without room for a command, and those on their way have not all of theirs yet. */
static uint32_t descriptors_for(const struct spawner *spawner, const struct policy *policy)
{
    return policy->session ? (count_making(spawner) + 2) * SANDBOX_DESCRIPTORS : SANDBOX_DESCRIPTORS;
}

/* Takes what it needs, or leaves everything as it was. */
int request_sandbox(struct spawner *spawner, struct policy *policy, struct failure *failure)
{
    uint32_t needed = descriptors_for(spawner, policy);
    if (is_short_of_descriptors(spawner, needed))
        remove_slots(spawner); /* what is kept for the next burst is no use to this one */
    errno = EMFILE;
    if (is_short_of_descriptors(spawner, needed))
        return fail(failure, STAGE_RESOURCES, NULL);
    struct slot *slot = take_slot(spawner, policy, failure);
    if (!slot)
        return -1;
    struct sandbox *sandbox = new_sandbox(spawner, policy, slot);
    if (!sandbox) {
        give_slot(spawner, slot);
        return fail(failure, STAGE_RESOURCES, NULL);
    }
    int reports[2] = {-1, -1}, jobs[2] = {-1, -1}, on = 1;
    bool paired = !packet_pair(reports) && !packet_pair(jobs) &&
                  !setsockopt(reports[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) &&
                  !watch_descriptor(spawner, &sandbox->reports, reports[0], EPOLLIN, reports_ready);
    if (!paired)
        close_descriptor(&reports[0]);
    sandbox->reports.fd = reports[0];
    sandbox->jobs = jobs[0];
    if (paired && has_foreign_ends(policy)) {
        shutdown(jobs[0], SHUT_RD); /* nobody reads there what might be left */
        refuse_descriptors(jobs[0]);
        if (!policy->notifies)
            refuse_descriptors(reports[0]);
    }
    bool placed = paired && (!policy->below || !make_nest(spawner, sandbox, reports[1], jobs[1])) &&
                  (!policy->session || !prepare_session(spawner, sandbox)) &&
                  (!policy->within || !enter_session(spawner, sandbox));
    if (!placed || (policy->within ? send_command(spawner, sandbox, reports[1], jobs[1])
                                   : send_request(spawner, sandbox, reports[1], jobs[1]))) {
        fail(failure, STAGE_RESOURCES, NULL);
        close_descriptor(&reports[1]);
        close_descriptor(&jobs[1]);
        release_sandbox(spawner,
                        sandbox); /* whoever asked for it decides what comes next: filling the pool asks again */
        return -1;
    }
    close(reports[1]);
    close(jobs[1]);
    return 0;
}

void sandbox_failed(struct spawner *spawner, struct sandbox *sandbox, const struct failure *failure)
{
    struct policy *policy = sandbox->policy;
    struct failure told = sandbox->has_failure ? sandbox->failure : *failure;
    back_off(policy);
    end_sandbox(spawner, sandbox);
    /* Whatever a sandbox suffers that its maker takes along, another maker may spare it; and in the namespaces of a
     * zygote that is ending nothing can be made, which the kernel calls a want of memory: its steps wait for the next
     * one. */
    if (!is_maker_gone(spawner, policy) && !is_zygote_ending(spawner, policy))
        fail_or_wait(spawner, policy, &told);
}

void session_gone(struct spawner *spawner, struct sandbox *sandbox)
{
    if (sandbox->step)
        step_lost(spawner, sandbox->step);
    drop_sandbox(spawner, sandbox);
}

static void life_ready(struct spawner *spawner, struct watch *watch, uint32_t events)
{
    struct sandbox *sandbox = (struct sandbox *)((char *)watch - offsetof(struct sandbox, life));
    (void)events;
    read_reports(spawner, sandbox); /* what init said before it went */
    if (sandbox->session) {
        end_session(spawner, sandbox);
        sandbox->session->gone = true;
        unwatch(spawner, &sandbox->life);
        if (outlived_by_commands(sandbox))
            return; /* theirs is about to be told */
        session_gone(spawner, sandbox);
        return;
    }
    if (sandbox->step)
        step_lost(spawner, sandbox->step);
    if (sandbox->state == SANDBOX_READY || sandbox->state == SANDBOX_FILLING)
        back_off(sandbox->policy); /* by itself, and for nobody */
    take_namespaces_back(spawner, sandbox);
    /* Who has not ended all others may have left some: their id is given to nobody again. */
    if (sandbox->policy->portable && !sandbox->end_reported)
        sandbox->slot->retired = true;
    drop_sandbox(spawner, sandbox);
}

void sandbox_made(struct spawner *spawner, const struct make_reply *reply, int pidfd)
{
    struct sandbox *sandbox = spawner->others;
    while (sandbox && sandbox->id != reply->sandbox)
        sandbox = sandbox->next;
    autoclose int owned = pidfd;
    if (!sandbox)
        return;
    sandbox->root_device = reply->root_device;
    sandbox->root_inode = reply->root_inode;
    if (!reply->made || pidfd < 0) {
        /* Made, and its pidfd found no room here: it ends by itself when its sockets close. */
        struct failure no_room = {.stage = STAGE_RESOURCES, .error = EMFILE};
        read_reports(spawner, sandbox); /* init knows better why */
        sandbox_failed(spawner, sandbox, reply->made ? &no_room : &reply->failure);
        drop_sandbox(spawner, sandbox);
        return;
    }
    struct failure failure;
    if (watch_descriptor(spawner, &sandbox->life, pidfd, EPOLLIN, life_ready)) {
        fail(&failure, STAGE_RESOURCES, NULL);
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        sandbox->life.fd = -1;
        sandbox_failed(spawner, sandbox, &failure);
        drop_sandbox(spawner, sandbox);
        return;
    }
    take_descriptor(&owned);
    if (sandbox->within && !sandbox->has_failure && see_keeper(spawner, sandbox)) {
        fail(&failure, is_exhaustion(errno) ? STAGE_RESOURCES : unseen(spawner, sandbox), NULL);
        sandbox_failed(spawner, sandbox, &failure);
        return;
    }
    if (sandbox->has_failure)
        sandbox_failed(spawner, sandbox, &sandbox->failure);
    else if (sandbox->nest)
        become_empty(spawner, sandbox);
    else if (sandbox->session)
        become_living(spawner, sandbox);
    else
        become_ready(spawner, sandbox);
}

/* Everything inside ends with init; the rest happens when its pidfd tells so. */
void end_sandbox(struct spawner *spawner, struct sandbox *sandbox)
{
    set_state(spawner, sandbox, SANDBOX_ENDING);
    lift_cpu_quota(sandbox->slot->cgroups, &sandbox->slot->cgroup);
    if (sandbox->stays)
        stop_forks(sandbox->slot->cgroups, &sandbox->slot->cgroup); /* it has no step that would see to it */
    if (sandbox->zygote && outlive_zygote(spawner, sandbox))
        return;
    if (sandbox->session)
        end_session(spawner, sandbox);
    if (sandbox->within)
        expect_end_unasked(spawner, sandbox);
    bool ends_others = sandbox->within || (sandbox->policy->portable && sandbox->init != 0);
    if (sandbox->life.fd >= 0) /* a keeper, and a warden, ends what is below it first */
        syscall(SYS_pidfd_send_signal, sandbox->life.fd, ends_others ? SIGTERM : SIGKILL, NULL, 0);
}

static void release_sandbox(struct spawner *spawner, struct sandbox *sandbox)
{
    set_state(spawner, sandbox, SANDBOX_ENDING);
    if (has_foreign_ends(sandbox->policy))
        lose_patience();
    unwatch(spawner, &sandbox->reports);
    unwatch(spawner, &sandbox->listener);
    close_descriptor(&sandbox->jobs);
    if (has_foreign_ends(sandbox->policy))
        regain_patience();
    clear_timer(&spawner->timers, &sandbox->unkept);
    clear_timer(&spawner->timers, &sandbox->look);
    unwatch(spawner, &sandbox->life);
    unwatch(spawner, &sandbox->main);
    close_descriptor(&sandbox->watched_proc);
    close_descriptor(&sandbox->watched_scratch);
    close_descriptor(&sandbox->tree);
    close_namespaces(sandbox);
    sandbox->slot->sandbox = NULL;
    give_slot(spawner, sandbox->slot);
    leave_session(spawner, sandbox);
    free_session(spawner, sandbox);
    free_nest(spawner, sandbox); /* after its slot, which may be its zygote's */
    free_zygote(spawner, sandbox);
    if (sandbox->previous)
        sandbox->previous->next = sandbox->next;
    else
        spawner->others = sandbox->next;
    if (sandbox->next)
        sandbox->next->previous = sandbox->previous;
    sandbox->next = spawner->dropped;
    spawner->dropped = sandbox;
}

void drop_sandbox(struct spawner *spawner, struct sandbox *sandbox)
{
    struct policy *policy = sandbox->policy;
    release_sandbox(spawner, sandbox);
    want_refill(spawner, policy); /* here a failed refill would come back to us */
}

void free_dropped(struct spawner *spawner)
{
    for (struct sandbox *sandbox; (sandbox = spawner->dropped);) {
        spawner->dropped = sandbox->next;
        free(sandbox);
    }
}
