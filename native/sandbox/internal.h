/* What spawner, maker, init and step say to each other. All four are the same binary, so these are plain structures;
 * every receiver still checks the length, because init and step share their sockets with nobody else. */
#ifndef INTERNAL_H
#define INTERNAL_H

#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>

#include "common/control.h"

/* Descriptors that the maker is started with. */
enum { MAKER_SOCKET = 3, MAKER_POLICY = 4, MAKER_FIRST_FREE = 5 };

/* Ids in the terms of the maker's user namespace. */
struct identity {
    uint32_t step; /* uid and gid of the step */
    uint32_t root; /* uid and gid that is 0 inside */
    bool leased;   /* step and root belong to this sandbox alone; otherwise both are the app's own */
};

enum { ATTACH_LIMIT = 6 };

/* spawner -> keeper, before its command has a job: what outlives its main process stays. */
enum { KEEP_BACKGROUND = 10 /* SIGUSR1 */ };

/* What a session's init can be asked for. The latter two come with the sandbox's own number, and the second of them
 * with the list of members of the freezer, if there is one. */
enum make_verb { VERB_MAKE, VERB_STAND_STILL, VERB_GO_ON };

/* spawner -> maker, with descriptors: init's socket, the step's job socket, what the cgroup needs, then the namespaces
 * that are used again. */
struct make_request {
    uint64_t sandbox;
    uint32_t verb; /* enum make_verb */
    struct identity identity;
    uint32_t cgroup_version; /* 1: descriptors of `tasks` files; 2: one descriptor of a directory; 0: none */
    uint32_t cgroup_count;
    bool memory_counted; /* by a cgroup */
    bool has_net, has_user;
    bool below;          /* the last two descriptors are a zygote's user and pid namespace */
    struct id_range ids; /* for a zygote: what the sandboxes below it may be given */
    uint32_t own;        /* for a zygote: there the app's own id, if they may have that; else 0 */
};

/* maker -> spawner, with the pidfd of init when it was made. */
struct make_reply {
    uint64_t sandbox;
    uint32_t verb; /* what is answered */
    bool made;
    uint64_t root_device, root_inode; /* of the tree's root */
    struct failure failure;           /* when not made; sandbox 0: the maker itself failed and is gone */
};

enum report_kind {
    REPORT_FAILED,  /* init could not make the sandbox, or the step not confine itself */
    REPORT_MADE,    /* from init: who it is, where others will have its socket, too */
    REPORT_PARKED,  /* from the step; with the seccomp listener if there is one */
    REPORT_REFUSED, /* from the step: the job could not be executed */
    REPORT_ENDED,   /* from init: nothing is left inside */
};

/* Why a warden has ended its sandbox. */
enum over { OVER_NOTHING, OVER_MEMORY, OVER_SCRATCH, OVER_UNSEEN };

/* spawner -> warden, before its step has its job: what it is to watch. 0: nothing of that kind. */
struct watched_limits {
    uint64_t memory_bytes, scratch_bytes;
};

/* init and step -> spawner */
struct report {
    uint32_t kind;
    uint32_t securebits; /* parked: what the kernel answers */
    bool landlock;       /* parked: restricted */
    bool users_notes;    /* made: overlays keep their notes in attributes of the user's */
    bool own_cores;      /* parked: it has a core-scheduling cookie */
    int32_t wait_code;   /* ended: siginfo's code and status of the main process */
    int32_t wait_status;
    uint32_t killed;                         /* ended: processes that had to be killed */
    bool scratch_full;                       /* ended: when the main process had */
    uint32_t over;                           /* ended, by a warden: enum over */
    int32_t over_error;                      /* with OVER_UNSEEN: errno */
    uint64_t user_ns, system_ns, peak_bytes; /* ended: rusage of all that were reaped */
    struct failure failure;
};

/* spawner -> step, before the packet that the app sent; with the descriptors of its pipes. */
struct job {
    uint64_t body_offset, body_length; /* of the Start within the message */
    bool in_memory_file;               /* the message is in the first descriptor, not behind this header */
    uint64_t message_length;
    uint32_t process_limit; /* RLIMIT_NPROC where no cgroup counts; 0: none */
    uint64_t file_limit;    /* RLIMIT_FSIZE where no cgroup counts memory, and the step has files in it; 0: none */
    bool has_control;       /* the last descriptor is a zygote's end of its conversation with the spawner */
    bool boots;             /* the program takes another job by itself */
    bool seen;              /* no job yet: the spawner has looked at the step, which may do what it likes from now on */
};

/* spawner -> init of a sandbox below a zygote: who its main process is. */
struct adoption {
    pid_t main; /* as init sees it */
};

enum { ZYGOTE_CONTROL = 3, ZYGOTE_WORDS_LIMIT = 32 << 10 };

/* What a program that boots has instead: a parked step's ends of its sockets. */
enum { BOOTED_JOBS = 3, BOOTED_REPORT = 4 };

/* A zygote may enter the sandboxes below its own user namespace, which owns nothing else: all that these two mean
 * there.
 */
enum { ZYGOTE_CAPABILITIES = 1u << CAP_SYS_ADMIN | 1u << CAP_SYS_CHROOT };

/* The namespaces of a sandbox, in the order in which a step enters them: the right to enter the others comes from the
 * zygote's user namespace, which it leaves last. */
enum { ENTERED_NAMESPACES = 6, POLICY_CACHE = 8 };

/* spawner -> zygote, with descriptors: the sandbox's pid namespace, those to be entered, the step's report and job
 * sockets, the policy's Define, then what the cgroup needs. */
struct fork_request {
    uint64_t sandbox;
    uint32_t policy_id;
    bool leased, counted;
    bool install_base; /* the zygote runs under another base filter */
    bool ahead;        /* nobody waits for this step yet */
    uint32_t attach_count;
};

enum zygote_word { ZYGOTE_WARM, ZYGOTE_CANNOT_FORK };

/* zygote -> spawner; behind it, when it is warm, what it says of itself. */
struct zygote_message {
    uint32_t kind; /* enum zygote_word */
    int32_t error;
    uint64_t sandbox;
};

/* `directory`: where scratch space lies that is not in memory; NULL: the policy wants none. */
int maker_main(const char *directory, bool portable);

/* What an entry of the policy's cover list is on this kernel. */
enum cover { COVER_NOTHING, COVER_FILE, COVER_DIRECTORY };

/* Builds the policy's mount tree in a new mount namespace and makes it the root. */
struct tree {
    bool privileged;        /* the maker acts with the host's privileges */
    int proc;               /* the host's /proc, for the maker only */
    uint64_t device, inode; /* of the root */
    enum cover covers[COVER_LIMIT];
};
/* Where the scratch space can be looked at: its first entry; empty when the policy has none. Policies put /dev/shm
 * first, which lies in the read-only root and which no other mount may cover. */
struct bytes scratch_target(const struct define *policy);
/* Whether nothing more can be written to it, or no file be made. Without a limit both totals are 0. */
bool is_used_up(const struct statfs *space);
/* As it is seen from inside. */
bool is_own_scratch_full(const struct define *policy);
bool has_source(const struct mount_entry *entry);
bool is_overlay(const struct mount_entry *entry);
/* Where the maker mounts an entry: its target, or, where that lies in an overlay that is still to be made, a place of
 * its own. */
const char *place_of(const struct define *policy, const struct mount_entry *entry, char out[PATH_LIMIT + 1]);
/* The innermost; NULL. */
const struct mount_entry *overlay_around(const struct define *policy, const struct mount_entry *entry);
bool is_made_anew(const char *name); /* of the entries on top of a root */
bool is_idmapped(const struct mount_entry *entry);
bool others_may_read(const struct stat *status);
int open_target(int root, dev_t device, const char *path, bool directory, mode_t mode);
/* Notes in the policy which optional sources are missing. */
int build_tree(struct define *policy, struct tree *tree, struct failure *failure);

struct sandbox_start {
    const struct define *policy;
    struct identity identity;
    int sync;                 /* to the maker: asks for the id maps */
    int report;               /* to the spawner */
    int jobs;                 /* from the spawner, for the step */
    int parent;               /* pidfd of the maker */
    int attach[ATTACH_LIMIT]; /* cgroup v1 */
    size_t attach_count;
    bool counted;             /* a cgroup limits memory */
    int net, user;            /* namespaces to be entered; -1: new ones */
    bool below;               /* a zygote forks the step; what needs the maker's privileges is mounted already */
    const enum cover *covers; /* one per entry of the policy's list */
    int proc;                 /* the host's /proc, closed before anything foreign runs */
    const int *idmaps;        /* user namespaces for the mounts that are shown as the step's; -1 for the others */
    bool privileged;          /* with the host's privileges */
    struct disk *disk;        /* for scratch space on a disk; else NULL */
    int scratch;              /* of a session with overlays: the directory of its scratch space; else -1 */
    bool portable;            /* without namespaces (portable/): then also the next two, and `scratch` */
    int ruleset;              /* what Landlock is to permit */
    const char *scratch_path; /* where a step finds its scratch space */
};

_Noreturn void init_main(struct sandbox_start *start);
/* init.c: into cgroups v1. */
int join_attached(struct sandbox_start *start, struct failure *failure);
/* By a signal, which is not sent before this is asked for. */
int end_with_maker(const struct sandbox_start *start, int signal, struct failure *failure);
/* All that the caller may signal, which must be below it; answers how many they were. */
uint32_t end_the_rest(void);
/* init.c: adds what the processes that were waited for have used. */
void report_end(int socket, struct report *report);
/* session.c: instead of one step, whatever the spawner asks for, until it has gone. */
_Noreturn void serve_session(struct sandbox_start *session);
/* standing.c: all below the keepers of a session. By a freezer's list of members, or by signals when that is -1. 0, or
 * -1: then some stand still, and some do not. */
int prepare_standing(void);
int stand_still(int members);
void go_on(void);
/* For a keeper: whether who is stopped was stopped by us. */
bool stands_still(void);
/* The fourth word of /proc/PID/stat and what is about it. */
struct process_stat {
    char state;
    pid_t parent;
    unsigned flags; /* the kernel's */
    long threads;   /* 0: none is left */
};
int read_stat(int directory, const char *file, struct process_stat *out);
/* Its end is told only when it has given up all that could be seen of it; until then what is left is root's. */
bool is_exiting(int proc, pid_t pid);
/* With the maker's privileges, then in the sandbox's own pid namespace. */
int mount_contents(struct sandbox_start *start, struct failure *failure);
int mount_own_proc(const struct sandbox_start *start, struct failure *failure);

/* sandbox.c */
const char *target_of(const struct mount_entry *entry, char out[PATH_LIMIT + 1]);
/* Whether an entry is in the tree, and would be covered by what is mounted at `directory`. */
bool is_brought_up(const struct define *policy, const struct mount_entry *entry, const char *directory);
/* Over what the maker had at `path`; the policy's mounts below it are brought up again. */
int attach_over(const struct define *policy, int mount, const char *path);

/* overlay.c */
/* Detached ones, with their upper layers below `stand`. */
int make_overlays(const struct sandbox_start *start, const char *stand, int *made);
int attach_root(const struct define *policy, const struct mount_entry *entry, int overlay);

/* rules.c: what is hidden or protected. */
int carry_out_rules(const struct sandbox_start *start, struct failure *failure);

/* maker.c: into a cgroup v2, unless that is -1. */
pid_t clone_init(const struct sandbox_start *start, int cgroup, int *pidfd);

/* below.c: a sandbox in the user and pid namespace of a zygote. */
int make_below(struct sandbox_start *start, const int zygote[2], int cgroup, int *pidfd, struct failure *failure);

/* idmaps.c: `process` is its directory in /proc. */
int map_ids(int process, const char *uid_map, const char *gid_map, bool deny_groups);
int map_sandbox_ids(const struct define *policy, int process, const struct identity *identity,
                    const struct id_range *ids, uint32_t own);

/* privileges.c */
int drop_bounding_set(const struct define *policy, struct failure *failure);
int lock_securebits(const struct define *policy, struct failure *failure);
int keep_zygote_capabilities(struct failure *failure);
int keep_capabilities(uint32_t capabilities, struct failure *failure);
int make_new_keyring(struct failure *failure);
int join_new_keyring(const struct define *policy, struct failure *failure);

/* job.c: what a step waits for. */
struct received_job {
    struct start start;
    struct bytes body; /* of the Start */
    bool boots;
    int further[FURTHER_LIMIT]; /* as many as the Start says; close-on-exec */
};
/* Waits, places stdin, stdout and stderr, and sets the limits. 0; 1 when the spawner does not need us any more; -1.
 * With `executes` the further descriptors are 3, 4 and so on afterwards, for execve to hand on; and then nothing more
 * can be received. */
int receive_job(struct sandbox_start *sandbox, bool executes, struct received_job *job, struct failure *failure);
/* Waits for what the spawner sends first: true when it is not the job yet. */
bool receive_seen(const struct sandbox_start *sandbox);
void report_refusal(int socket, const struct failure *failure);
/* terminal.c: a new terminal is 0, 1 and 2, and ours; its master goes by `app`, which is closed. */
int place_terminal(const struct start *start, int *app);
/* Confines the step, then tells the spawner that it waits; each tells why when it fails. */
int confine_parked(struct sandbox_start *start, struct report *report, int *listener);
int report_parked(const struct sandbox_start *start, struct report *report, int *listener);

/* sandbox/net.c */
void learn_untouched_net(int proc); /* in the maker, once */
int enter_net(struct sandbox_start *start, struct failure *failure);

_Noreturn void step_main(struct sandbox_start *start);

/* The layers of a step, in order (sandbox/confine.c). */
struct confined {
    int listener; /* seccomp notifications, or -1 */
    bool landlock;
    bool own_cores;
};
int confine_step(struct sandbox_start *start, struct confined *confined, struct failure *failure);
int install_filter(struct bytes filter, unsigned flags);
int limit_resources(bool zygote, struct failure *failure);

int report_failure(int socket, const struct failure *failure);

#endif
