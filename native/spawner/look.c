/* What a session and its commands use now, for an app that asks. Runs in the spawner. The numbers are the kernel's: by
 * cgroups or, where there are none, by a look at the processes. */
#include "spawner/spawner.h"

enum { MOST_COMMANDS = 512 };

static void count(const struct sandbox *sandbox, struct seen *out)
{
    const struct cgroups *cgroups = sandbox->slot->cgroups;
    const struct cgroup *cgroup = &sandbox->slot->cgroup;
    struct counters counters;
    read_counters(cgroups, cgroup, &counters);
    if (counters.user_ns == 0 && counters.system_ns == 0) {
        counters.system_ns = (uint64_t)((double)counters.cpu_ns * system_share(cgroups, cgroup));
        counters.user_ns = counters.cpu_ns - counters.system_ns;
    }
    out->user_cpu_ns = counters.user_ns;
    out->system_cpu_ns = counters.system_ns;
    out->peak_memory_bytes = counters.peak_bytes;
    out->memory_bytes = memory_in_use(cgroups, cgroup);
    out->processes = processes_in_use(cgroups, cgroup);
}

static struct seen look_at(const struct sandbox *sandbox, uint64_t now)
{
    struct seen seen = {
        .step_id = sandbox->step_id, .wall_ns = now - sandbox->released_at, .background = sandbox->stays};
    if (sandbox->watched_proc >= 0)
        watched_now(sandbox, sandbox->session != NULL, &seen);
    else
        count(sandbox, &seen);
    return seen;
}

static bool runs(const struct sandbox *command, const struct session *session)
{
    return command->within == session && command->state == SANDBOX_RUNNING;
}

static bool counts_processes(const struct sandbox *command)
{
    return command->watched_proc >= 0 || command->slot->cgroups->controllers & 1u << LAYER_PROCESSES;
}

void look_at_session(struct spawner *spawner, struct bytes body)
{
    static uint8_t space[PACKET_LIMIT];
    static struct seen commands[MOST_COMMANDS];
    struct writer writer = {.start = space, .size = sizeof(space)};
    struct session_request request;
    if (read_session_request(body, &request))
        return;
    const struct session *session = find_session(spawner, request.step_id);
    size_t found = 0;
    uint64_t now = monotonic_ns();
    struct seen all = session ? look_at(session->sandbox, now) : (struct seen){0};
    all.processes = 0; /* only the app's, and none of ours */
    for (const struct sandbox *command = spawner->others; session && command && found < MOST_COMMANDS;
         command = command->next) {
        if (!runs(command, session))
            continue;
        commands[found] = look_at(command, now);
        if (commands[found].background && commands[found].processes == 0 && counts_processes(command))
            continue; /* its keeper is about to tell */
        all.processes += commands[found++].processes;
    }
    size_t looked = begin_looked(&writer, request.id, session ? &all : NULL);
    for (size_t i = 0; i < found; i++)
        write_seen_command(&writer, &commands[i]);
    write_end(&writer, looked);
    tell_app(spawner, &writer);
}
