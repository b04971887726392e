/* Sessions that stand still while the app likes. Runs in the spawner. On cgroup v2 each command's cgroup is frozen;
 * where v1 counts, or nothing does, init puts all into a freezer on v2, or stops them by signals (sandbox/standing.c).
 * Init and the keepers go on in any case, so whatever has an end has it meanwhile, too. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <sys/socket.h>

static const uint64_t MS = 1000000, MOST_NS = 5000000000;

bool is_held(struct spawner *spawner, const struct policy *policy)
{
    const struct session *session = policy->within ? find_session(spawner, policy->within) : NULL;
    return session && session->held;
}

static void tell(struct spawner *spawner, struct session *session)
{
    uint8_t space[64];
    struct writer writer = {.start = space, .size = sizeof(space)};
    write_froze(&writer, &session->answer);
    tell_app(spawner, &writer);
    session->answer.id = 0;
    clear_timer(&spawner->timers, &session->looks);
}

static struct policy *policy_of_commands(struct spawner *spawner, const struct session *session)
{
    for (struct policy *policy = spawner->policies; policy; policy = policy->next) {
        if (policy->within == session->step_id && !policy->forgotten)
            return policy;
    }
    return NULL;
}

/* ------------------------------------------------------------ what is frozen */

static bool by_leaves(const struct spawner *spawner)
{
    return spawner->cgroups.version == 2;
}

/* One that is parked or being made runs nothing, and is released only later. */
static int freeze_leaves(struct spawner *spawner, const struct session *session, bool frozen)
{
    for (const struct sandbox *command = spawner->others; command; command = command->next) {
        if (command->within == session && command->state >= SANDBOX_RUNNING &&
            set_frozen(command->slot->cgroup.attach[0], frozen))
            return -1;
    }
    return 0;
}

static bool are_leaves_frozen(const struct spawner *spawner, const struct session *session)
{
    for (const struct sandbox *command = spawner->others; command; command = command->next) {
        if (command->within == session && command->state == SANDBOX_RUNNING &&
            !is_frozen(command->slot->cgroup.attach[0]))
            return false;
    }
    return true;
}

static int ask_init(struct spawner *spawner, const struct session *session, enum make_verb verb)
{
    struct make_request request = {.sandbox = session->sandbox->id, .verb = verb};
    struct iovec part = {&request, sizeof(request)};
    struct policy *policy = policy_of_commands(spawner, session);
    struct failure unused;
    if (!policy || (!has_maker(policy) && start_maker(spawner, policy, &unused))) {
        errno = EPIPE; /* nobody would hear the answer */
        return -1;
    }
    autoclose int members = session->freezer < 0 ? -1 : openat(session->freezer, "cgroup.procs", O_RDWR | O_CLOEXEC);
    if (session->freezer >= 0 && members < 0)
        return -1;
    return send_packet(session->sandbox->jobs, &part, 1, &members, members >= 0 ? 1 : 0, MSG_DONTWAIT);
}

/* ------------------------------------------------------------ the course of it */

static void let_go_on(struct spawner *spawner, struct session *session)
{
    if (by_leaves(spawner))
        freeze_leaves(spawner, session, false);
    else if (session->freezer >= 0)
        set_frozen(session->freezer, false);
    session->held = false;
    run_all_queues(spawner);
}

static void failed(struct spawner *spawner, struct session *session, int error)
{
    session->answer.error = error;
    if (session->answer.by_signals)
        ask_init(spawner, session, VERB_GO_ON); /* its answer is for nobody */
    tell(spawner, session);
    let_go_on(spawner, session);
}

static void look_again(struct spawner *spawner, struct timer *timer)
{
    struct session *session = (struct session *)((char *)timer - offsetof(struct session, looks));
    bool done = by_leaves(spawner) ? are_leaves_frozen(spawner, session) : is_frozen(session->freezer);
    uint64_t now = monotonic_ns();
    if (done)
        tell(spawner, session);
    else if (now > session->still_until || set_timer(&spawner->timers, &session->looks, now + MS))
        failed(spawner, session, ETIMEDOUT);
}

static void wait_until_frozen(struct spawner *spawner, struct session *session)
{
    session->still_until = monotonic_ns() + MOST_NS;
    session->looks.expired = look_again;
    look_again(spawner, &session->looks);
}

void session_obeyed(struct spawner *spawner, const struct make_reply *reply)
{
    for (struct session *session = spawner->sessions; session; session = session->next) {
        if (session->over || !session->sandbox || session->sandbox->id != reply->sandbox || session->answer.id == 0 ||
            session->held != (reply->verb == VERB_STAND_STILL))
            continue;
        if (reply->failure.error)
            failed(spawner, session, reply->failure.error);
        else if (session->freezer >= 0)
            wait_until_frozen(spawner, session);
        else
            tell(spawner, session);
        return;
    }
}

static int begin(struct spawner *spawner, struct session *session)
{
    if (by_leaves(spawner)) {
        if (freeze_leaves(spawner, session, true))
            return -1;
        wait_until_frozen(spawner, session);
        return 0;
    }
    if (session->freezer < 0)
        session->freezer = make_freezer(&spawner->cgroups, session->sandbox->id);
    else if (set_frozen(session->freezer, true))
        return -1;
    session->answer.by_signals = session->freezer < 0;
    return ask_init(spawner, session, VERB_STAND_STILL);
}

static int go_on_all(struct spawner *spawner, struct session *session)
{
    bool by_signals = !by_leaves(spawner) && session->freezer < 0;
    if (by_signals && ask_init(spawner, session, VERB_GO_ON))
        return -1;
    let_go_on(spawner, session);
    if (!by_signals)
        tell(spawner, session);
    return 0;
}

void freeze_session(struct spawner *spawner, struct bytes body)
{
    struct session_request request;
    if (read_session_request(body, &request) || request.id == 0)
        return;
    struct session *session = find_session(spawner, request.step_id), nobody = {.answer.id = request.id};
    if (!session) {
        tell(spawner, &nobody);
        return;
    }
    nobody.answer.found = true;
    nobody.answer.error = EBUSY;
    if (session->answer.id) {
        tell(spawner, &nobody);
        return;
    }
    session->answer = (struct froze){.id = request.id, .found = true};
    if (session->held == request.frozen) {
        session->answer.by_signals = request.frozen && !by_leaves(spawner) && session->freezer < 0;
        tell(spawner, session);
        return;
    }
    if (!request.frozen) {
        if (go_on_all(spawner, session))
            failed(spawner, session, errno);
        return;
    }
    session->held = true;
    if (begin(spawner, session))
        failed(spawner, session, errno);
}

void stand_still_again(struct spawner *spawner, struct session *session)
{
    if (session->held && !session->over && session->sandbox && !by_leaves(spawner) && session->freezer < 0)
        ask_init(spawner, session, VERB_STAND_STILL); /* its answer is for nobody */
}

void end_standing(struct spawner *spawner, struct session *session)
{
    if (session->answer.id == 0)
        return;
    session->answer.found = false;
    tell(spawner, session);
}
