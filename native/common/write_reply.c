/* Replies to the app. Runs in the spawner. */
#include "common/control.h"

enum {
    REPLY_READY = 1,
    REPLY_STARTED,
    REPLY_ENDED,
    REPLY_FAILED,
    REPLY_PROBED,
    REPLY_WARM,
    REPLY_FORGOTTEN,
    REPLY_LOOKED,
    REPLY_FROZE,
};

void write_ready(struct writer *writer, const struct ready *ready)
{
    size_t body = write_begin(writer, REPLY_READY);
    write_number(writer, 1, ready->privileged);
    write_number(writer, 2, ready->leases_identity);
    write_number(writer, 3, ready->cgroup_version);
    write_text(writer, 4, ready->cgroup_reason);
    write_number(writer, 5, ready->cgroup_controllers);
    write_number(writer, 6, ready->pid);
    write_end(writer, body);
}

void write_started(struct writer *writer, uint64_t step_id)
{
    size_t body = write_begin(writer, REPLY_STARTED);
    write_number(writer, 1, step_id);
    write_end(writer, body);
}

void write_warm(struct writer *writer, uint64_t step_id, struct bytes words, uint64_t rss_bytes)
{
    size_t body = write_begin(writer, REPLY_WARM);
    write_number(writer, 1, step_id);
    write_bytes(writer, 2, words.data, words.length);
    write_number(writer, 3, rss_bytes);
    write_end(writer, body);
}

void write_forgotten(struct writer *writer, uint32_t policy_id)
{
    size_t body = write_begin(writer, REPLY_FORGOTTEN);
    write_number(writer, 1, policy_id);
    write_end(writer, body);
}

static void write_evidence(struct writer *writer, const struct evidence *evidence)
{
    size_t body = write_begin(writer, 7);
    write_number(writer, 1, evidence->oom_kills);
    write_number(writer, 2, evidence->memory_limit_bytes);
    write_number(writer, 3, evidence->process_limit_hits);
    write_number(writer, 4, evidence->memory_limit_hits);
    write_number(writer, 5, evidence->killed_processes);
    write_number(writer, 6, evidence->seccomp_syscall);
    write_number(writer, 7, evidence->seccomp_arch);
    write_number(writer, 8, evidence->main_exited_first);
    write_number(writer, 9, evidence->kill_signal);
    write_number(writer, 10, evidence->limit_ms);
    write_number(writer, 11, evidence->memory_watched);
    write_number(writer, 12, evidence->scratch_full);
    write_end(writer, body);
}

static void write_usage(struct writer *writer, const struct usage *usage)
{
    size_t body = write_begin(writer, 8);
    write_number(writer, 1, usage->queue_ns);
    write_number(writer, 2, usage->wall_ns);
    write_number(writer, 3, usage->user_cpu_ns);
    write_number(writer, 4, usage->system_cpu_ns);
    write_number(writer, 5, usage->peak_memory_bytes);
    write_number(writer, 6, usage->peak_processes);
    write_end(writer, body);
}

void write_ended(struct writer *writer, const struct ended *ended)
{
    size_t body = write_begin(writer, REPLY_ENDED);
    write_number(writer, 1, ended->step_id);
    write_number(writer, 2, ended->not_started);
    write_number(writer, 3, ended->exit_code);
    write_number(writer, 4, ended->signal);
    write_number(writer, 5, ended->cause);
    write_number(writer, 6, ended->scope);
    if (!ended->not_started)
        write_evidence(writer, &ended->evidence);
    write_usage(writer, &ended->usage);
    uint8_t enforced[2 * LAYER_COUNT];
    for (size_t i = 0; i < LAYER_COUNT; i++) {
        enforced[2 * i] = (uint8_t)ended->enforced[i].state;
        enforced[2 * i + 1] = (uint8_t)ended->enforced[i].by;
    }
    if (!ended->not_started)
        write_bytes(writer, 9, enforced, sizeof(enforced));
    write_end(writer, body);
}

void write_failed(struct writer *writer, uint64_t step_id, const struct failure *failure)
{
    size_t body = write_begin(writer, REPLY_FAILED);
    write_number(writer, 1, step_id);
    write_number(writer, 2, failure->stage);
    write_number(writer, 3, (uint32_t)failure->error);
    write_text(writer, 4, failure->path);
    write_number(writer, 5, failure->layer);
    write_number(writer, 6, failure->by);
    write_end(writer, body);
}

void write_probed(struct writer *writer, uint32_t probe_id, const struct probe_result *results, size_t count)
{
    size_t body = write_begin(writer, REPLY_PROBED);
    write_number(writer, 1, probe_id);
    for (size_t i = 0; i < count; i++) {
        size_t result = write_begin(writer, 2);
        write_number(writer, 1, results[i].what);
        write_number(writer, 2, results[i].works);
        write_number(writer, 3, (uint32_t)results[i].error);
        write_number(writer, 4, (uint64_t)results[i].value);
        write_end(writer, result);
    }
    write_end(writer, body);
}

size_t begin_looked(struct writer *writer, uint32_t id, const struct seen *session)
{
    size_t body = write_begin(writer, REPLY_LOOKED);
    write_number(writer, 1, id);
    write_number(writer, 2, session != NULL);
    if (session) {
        write_number(writer, 3, session->wall_ns);
        write_number(writer, 4, session->user_cpu_ns);
        write_number(writer, 5, session->system_cpu_ns);
        write_number(writer, 6, session->memory_bytes);
        write_number(writer, 7, session->peak_memory_bytes);
        write_number(writer, 8, session->processes);
    }
    return body;
}

void write_seen_command(struct writer *writer, const struct seen *command)
{
    size_t entry = write_begin(writer, 9);
    write_number(writer, 1, command->step_id);
    write_number(writer, 2, command->wall_ns);
    write_number(writer, 3, command->user_cpu_ns);
    write_number(writer, 4, command->system_cpu_ns);
    write_number(writer, 5, command->memory_bytes);
    write_number(writer, 6, command->processes);
    write_number(writer, 7, command->background);
    write_end(writer, entry);
}

void write_froze(struct writer *writer, const struct froze *froze)
{
    size_t body = write_begin(writer, REPLY_FROZE);
    write_number(writer, 1, froze->id);
    write_number(writer, 2, froze->found);
    write_number(writer, 3, (uint32_t)froze->error);
    write_number(writer, 4, froze->by_signals);
    write_end(writer, body);
}
