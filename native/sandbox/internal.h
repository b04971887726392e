/* What spawner, maker, init and step say to each other. All four are the same binary, so these are plain structures;
 * every receiver still checks the length, because init and step share their sockets with nobody else. */
#ifndef INTERNAL_H
#define INTERNAL_H

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

/* spawner -> maker, with descriptors: init's socket, the step's job socket, what the cgroup needs, then the namespaces
 * that are used again. */
struct make_request {
    uint64_t sandbox;
    struct identity identity;
    uint32_t cgroup_version; /* 1: descriptors of `tasks` files; 2: one descriptor of a directory; 0: none */
    uint32_t cgroup_count;
    bool memory_counted; /* by a cgroup */
    bool has_net, has_user;
};

/* maker -> spawner, with the pidfd of init when it was made. */
struct make_reply {
    uint64_t sandbox;
    bool made;
    uint64_t root_device, root_inode; /* of the tree's root */
    struct failure failure;           /* when not made; sandbox 0: the maker itself failed and is gone */
};

enum report_kind {
    REPORT_FAILED,  /* init could not make the sandbox, or the step not confine itself */
    REPORT_PARKED,  /* from the step; with the seccomp listener if there is one */
    REPORT_REFUSED, /* from the step: the job could not be executed */
    REPORT_ENDED,   /* from init: nothing is left inside */
};

/* init and step -> spawner */
struct report {
    uint32_t kind;
    uint32_t securebits; /* parked: what the kernel answers */
    bool landlock;       /* parked: restricted */
    int32_t wait_code;   /* ended: siginfo's code and status of the main process */
    int32_t wait_status;
    uint32_t killed;                         /* ended: processes that had to be killed */
    bool scratch_full;                       /* ended: when the main process had */
    uint64_t user_ns, system_ns, peak_bytes; /* ended: rusage of all that were reaped */
    struct failure failure;
};

/* spawner -> step, before the packet that the app sent; with the descriptors of its pipes. */
struct job {
    uint64_t body_offset, body_length; /* of the Start within the message */
    bool in_memory_file;               /* the message is in the first descriptor, not behind this header */
    uint64_t message_length;
    uint32_t process_limit; /* RLIMIT_NPROC where no cgroup counts; 0: none */
};

int maker_main(void);

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
bool has_source(const struct mount_entry *entry);
bool is_idmapped(const struct mount_entry *entry);
int open_target(int root, dev_t device, const char *path, bool directory, mode_t mode);
int build_tree(const struct define *policy, struct tree *tree, struct failure *failure);

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
    const enum cover *covers; /* one per entry of the policy's list */
    int proc;                 /* the host's /proc, closed before anything foreign runs */
    const int *idmaps;        /* user namespaces for the mounts that are shown as the step's; -1 for the others */
};

_Noreturn void init_main(struct sandbox_start *start);
int mount_sandbox(const struct sandbox_start *start, struct failure *failure);

/* sandbox/net.c */
void learn_untouched_net(int proc); /* in the maker, once */
int enter_net(struct sandbox_start *start, struct failure *failure);

_Noreturn void step_main(struct sandbox_start *start);

/* The layers of a step, in order (sandbox/confine.c). */
struct confined {
    int listener; /* seccomp notifications, or -1 */
    bool landlock;
};
int confine_step(struct sandbox_start *start, struct confined *confined, struct failure *failure);
int install_filter(struct bytes filter, unsigned flags);
int limit_resources(struct failure *failure);

int report_failure(int socket, const struct failure *failure);

#endif
