/* What init, a step that parks, and in a sandbox below a zygote anybody there, say to the spawner, and what is believed
 * of it. */
#include "spawner/spawner.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { MOST_LOST = 3 }; /* forks in a row */

/* The listener of the verdict `kill` comes with the report. Want of room for it is no fault of the policy's, and not
 * what observe() would make of it: a filter that does not notify. */
static int take_listener(struct spawner *spawner, struct sandbox *sandbox, struct packet *packet,
                         struct failure *failure)
{
    errno = EMFILE;
    if (packet->truncated)
        return fail(failure, STAGE_RESOURCES, NULL);
    if (packet->descriptor_count != 1)
        return 0;
    if (watch_descriptor(spawner, &sandbox->listener, packet->descriptors[0], EPOLLIN, seccomp_notified)) {
        sandbox->listener.fd = -1;
        return fail(failure, STAGE_RESOURCES, NULL);
    }
    take_descriptor(&packet->descriptors[0]);
    return 0;
}

static void report_failed(struct spawner *spawner, struct sandbox *sandbox, const struct failure *failure)
{
    sandbox->has_failure = true;
    sandbox->failure = *failure;
    if (sandbox->life.fd < 0 || !is_on_its_way(sandbox))
        return;
    /* What was forked has ended by itself: bad luck, unless it is so again and again. */
    bool lost = failure->stage == STAGE_ZYGOTE && failure->error == ECHILD;
    if (lost && sandbox->policy->failures < MOST_LOST) {
        back_off(sandbox->policy);
        end_sandbox(spawner, sandbox);
    } else {
        sandbox_failed(spawner, sandbox, failure);
    }
}

/* Of the pid a zygote can lie, having the right to where the sandbox's pid namespace belongs; but not of the uid as
 * well, which it could only be inside, where it has that right no longer. Where there is but one uid, it can at least
 * not end what has not ended. */
static bool is_end(const struct sandbox *sandbox, const struct packet *packet)
{
    if (sandbox->within) /* commands are not kept apart: one may have got hold of another's socket */
        return packet->sender == sandbox->init;
    struct pollfd main_process = {.fd = sandbox->main.fd, .events = POLLIN};
    return !has_foreign_ends(sandbox->policy) ||
           (packet->sender == sandbox->init && packet->sender_uid == sandbox->init_uid &&
            (sandbox->main_ended || poll(&main_process, 1, 0) != 0));
}

/* What executes the job is who waited for it. */
static bool is_of_main(const struct sandbox *sandbox, const struct packet *packet)
{
    return packet->sender == sandbox->parked_pid && packet->sender_uid == sandbox->parked_uid;
}

/* Foreign code can have taken over before there was a job: it may say what that of a step can say, and nothing of what
 * is ours to say. */
static bool can_be_said(const struct failure *failure)
{
    switch (failure->stage) {
    case STAGE_PROTOCOL:
    case STAGE_RESOURCES:
    case STAGE_WORK_DIRECTORY:
    case STAGE_COMMAND_NOT_FOUND:
    case STAGE_COMMAND_NOT_EXECUTABLE:
    case STAGE_EXEC_LIMITS:
        return true;
    default:
        return false;
    }
}

/* Once, before anybody else has the socket. */
static void is_made(struct spawner *spawner, struct sandbox *sandbox, const struct report *report,
                    struct packet *packet)
{
    /* Who keeps a command, the kernel tells. */
    bool says =
        !sandbox->within && (has_foreign_ends(sandbox->policy) || sandbox->session || sandbox->policy->portable);
    if (!says || sandbox->state != SANDBOX_MAKING || sandbox->init != 0)
        return;
    sandbox->init = packet->sender;
    sandbox->init_uid = packet->sender_uid;
    sandbox->users_notes = report->users_notes;
    if (sandbox->session && packet->descriptor_count == 1)
        sandbox->tree = take_descriptor(&packet->descriptors[0]);
    if (sandbox->nest)
        become_empty(spawner, sandbox);
    else if (sandbox->session)
        become_living(spawner, sandbox);
}

static void took_report(struct spawner *spawner, struct sandbox *sandbox, const struct report *report,
                        struct packet *packet)
{
    struct failure failure;
    switch (report->kind) {
    case REPORT_FAILED:
        report_failed(spawner, sandbox, &report->failure);
        break;
    case REPORT_MADE:
        is_made(spawner, sandbox, report, packet);
        break;
    case REPORT_PARKED:
        if (sandbox->parked || (sandbox->nest && sandbox->state != SANDBOX_FILLING))
            break;
        if (take_listener(spawner, sandbox, packet, &failure)) {
            report_failed(spawner, sandbox, &failure);
            break;
        }
        sandbox->parked = true;
        sandbox->parked_pid = packet->sender;
        sandbox->parked_uid = packet->sender_uid;
        sandbox->parked_report = *report;
        if (has_foreign_ends(sandbox->policy))
            refuse_descriptors(sandbox->reports.fd); /* no more of them come from us */
        become_ready(spawner, sandbox);
        break;
    case REPORT_REFUSED:
        if (sandbox->step && is_of_main(sandbox, packet) && can_be_said(&report->failure))
            fail_step(spawner, sandbox->step, &report->failure);
        break;
    case REPORT_ENDED:
        sandbox->end_reported = true;
        if (sandbox->step && is_end(sandbox, packet))
            step_ended(spawner, sandbox->step, report);
        break;
    }
}

static int receive_report(const struct sandbox *sandbox, struct report *report, struct packet *packet)
{
    if (has_foreign_ends(sandbox->policy))
        lose_patience();
    int got = receive_packet(sandbox->reports.fd, report, sizeof(*report), packet, MSG_DONTWAIT);
    if (has_foreign_ends(sandbox->policy))
        regain_patience();
    return got;
}

static void close_report(const struct sandbox *sandbox, struct packet *packet)
{
    if (packet->descriptor_count == 0)
        return;
    if (has_foreign_ends(sandbox->policy))
        lose_patience();
    close_packet(packet);
    if (has_foreign_ends(sandbox->policy))
        regain_patience();
}

/* More than the kernel keeps for a socket; who sends without end shall not have all of our time. */
void read_reports(struct spawner *spawner, struct sandbox *sandbox)
{
    enum { MOST_AT_ONCE = 1024 };
    struct report report = {0};
    struct packet packet;
    for (int i = 0; i < MOST_AT_ONCE && sandbox->reports.fd >= 0; i++) {
        int got = receive_report(sandbox, &report, &packet);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got == 0 && packet.sender != 0) { /* an empty packet, which none of ours sends */
            close_report(sandbox, &packet);
            continue;
        }
        if (got <= 0) {
            unwatch(spawner, &sandbox->reports); /* the end; what follows is told by the pidfd */
            return;
        }
        report.failure.path[sizeof(report.failure.path) - 1] = 0; /* foreign code can have sent it */
        if (packet.length == sizeof(report))
            took_report(spawner, sandbox, &report, &packet);
        close_report(sandbox, &packet);
    }
}

void reports_ready(struct spawner *spawner, struct watch *watch, uint32_t events)
{
    (void)events;
    read_reports(spawner, (struct sandbox *)((char *)watch - offsetof(struct sandbox, reports)));
}
