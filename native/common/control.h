/* The messages of proto/control.proto that the native core reads and writes. */
#ifndef CONTROL_H
#define CONTROL_H

#include "common/wire.h"

enum {
    MESSAGE_LIMIT = 4 << 20, /* bytes of one message */
    PACKET_LIMIT = 48 << 10, /* above it a message travels in a memfd */
    MOUNT_LIMIT = 512,       /* entries of a policy */
    COVER_LIMIT = 64,
    RULE_LIMIT = 4096,
    PATH_LIMIT = 4095,
    DISK_LIMIT_TIB = 8,      /* an ext4 with block numbers of 32 bits holds twice as much */
    FILTER_LIMIT = 4096 * 8, /* BPF_MAXINSNS instructions */
    ARGUMENT_LIMIT = 100000, /* argv and env entries */
    FURTHER_LIMIT = 32,      /* descriptors of a step besides stdin, stdout and stderr */
};

enum request_kind {
    REQUEST_NONE,
    REQUEST_CONFIGURE,
    REQUEST_DEFINE,
    REQUEST_START,
    REQUEST_KILL,
    REQUEST_PROBE,
    REQUEST_FORGET,
    REQUEST_LOOK,
    REQUEST_FREEZE,
};

struct id_range {
    uint32_t start;
    uint32_t count;
};

struct configure {
    struct bytes state_directory;
    struct bytes cgroup_parent, scratch_directory;
    uint32_t uid_start, uid_count;
    uint32_t pool, max_concurrent, queue_timeout_ms, idle_ms, idle_makers;
    struct id_range subordinate_uids, subordinate_gids; /* the largest of those offered */
    uint64_t instance;
    bool portable;
};

struct mount_entry {
    uint32_t kind; /* enum kind */
    struct bytes source, target, content;
    uint32_t mode;
    bool optional;
    bool no_exec;
    bool as_owner;
    bool missing; /* not said by the app: the maker has seen that an optional source is not there */
};

struct rule {
    struct bytes pattern;
    uint32_t literal;
    bool hide, must_exist;
};

struct define {
    uint32_t policy_id;
    uint32_t uid, gid;
    struct bytes hostname, base_filter, step_filter;
    bool step_filter_notifies, host_network, reuse_net, reuse_user;
    uint64_t scratch_bytes, scratch_inodes;
    bool scratch_on_disk;
    uint32_t require, allow_weaker, allow_missing;
    bool zygote;
    uint64_t below;
    uint32_t parked, replaces;
    bool session, keyless, terminal, core_scheduling;
    uint64_t within;
    struct bytes boot, boot_input; /* a Start, or empty */
    struct bytes portable;         /* another Define, or empty */
    size_t mount_count, cover_count;
    struct mount_entry mounts[MOUNT_LIMIT];
    struct bytes cover[COVER_LIMIT];
    size_t rule_count;
    struct rule rules[RULE_LIMIT];
};

struct limits {
    uint64_t memory_bytes, cpu_time_ms, wall_time_ms, file_size_bytes;
    uint32_t processes, milli_cpus, open_files;
};

struct start {
    uint64_t step_id;
    uint32_t policy_id;
    struct bytes file, cwd;
    uint32_t standard[3]; /* enum stdio of stdin, stdout, stderr */
    struct limits limits;
    bool announce, keep_background;
    size_t argv_count, env_count;
    uint32_t further[FURTHER_LIMIT]; /* enum further */
    size_t further_count;
    uint32_t builtin;       /* enum builtin */
    uint16_t columns, rows; /* of a terminal; 0: none */
};

struct kill_request {
    uint64_t step_id, grace_ms;
    uint32_t cause, signal;
};

/* Look and Freeze. */
struct session_request {
    uint32_t id;
    uint64_t step_id;
    bool frozen;
};

/* What kind of request `message` is, and its body; REQUEST_NONE when it cannot be understood. */
enum request_kind read_request(struct bytes message, struct bytes *body);

/* Each returns 0, or -1 when the body is not of its form. The bytes stay where they are. */
int read_configure(struct bytes body, struct configure *out);
int read_define(struct bytes body, struct define *out);
int read_start(struct bytes body, struct start *out);
size_t count_pipes(const struct start *start); /* among stdin, stdout and stderr */
/* What comes for them: a pipe each, or one socket for the terminal that is all three. */
size_t count_standard(const struct start *start);
int read_kill(struct bytes body, struct kill_request *out);
int read_id(struct bytes body, uint32_t *out); /* Probe, Forget */
int read_session_request(struct bytes body, struct session_request *out);

/* Copies argv and env of a Start that read_start has accepted into `text`, NUL-ended, and points the lists at them.
 * The lists have room for the counts of `start` and a closing NULL; text has room for the whole body. */
void read_arguments(struct bytes body, char **argv, char **env, char *text);

struct layer_state {
    uint32_t state; /* enum state */
    uint32_t by;    /* enum by */
};

struct evidence {
    uint32_t oom_kills, process_limit_hits, killed_processes, seccomp_syscall, seccomp_arch, kill_signal;
    uint64_t memory_limit_bytes, memory_limit_hits, limit_ms;
    bool main_exited_first, memory_watched, scratch_full;
};

struct usage {
    uint64_t queue_ns, wall_ns, user_cpu_ns, system_cpu_ns, peak_memory_bytes;
    uint32_t peak_processes;
};

struct ended {
    uint64_t step_id;
    bool not_started;
    uint32_t exit_code, signal, cause, scope;
    struct evidence evidence;
    struct usage usage;
    struct layer_state enforced[LAYER_COUNT];
};

/* What a session or a command of it uses now. */
struct seen {
    uint64_t step_id, wall_ns, user_cpu_ns, system_cpu_ns, memory_bytes, peak_memory_bytes;
    uint32_t processes;
    bool background;
};

struct froze {
    uint32_t id;
    bool found, by_signals;
    int32_t error;
};

struct ready {
    bool privileged, leases_identity;
    uint32_t cgroup_version, cgroup_controllers, pid;
    char cgroup_reason[256];
};

struct probe_result {
    uint32_t what; /* enum what */
    bool works;
    int32_t error;
    int64_t value;
};

void write_ready(struct writer *writer, const struct ready *ready);
void write_started(struct writer *writer, uint64_t step_id);
void write_forgotten(struct writer *writer, uint32_t policy_id);
void write_warm(struct writer *writer, uint64_t step_id, struct bytes words, uint64_t rss_bytes);
/* Until write_end() its commands can follow. `session` NULL: it is not there. */
size_t begin_looked(struct writer *writer, uint32_t id, const struct seen *session);
void write_seen_command(struct writer *writer, const struct seen *command);
void write_froze(struct writer *writer, const struct froze *froze);
void write_ended(struct writer *writer, const struct ended *ended);
void write_failed(struct writer *writer, uint64_t step_id, const struct failure *failure);
void write_probed(struct writer *writer, uint32_t probe_id, const struct probe_result *results, size_t count);

#endif
