/* The spawner's state: one process, one thread, one epoll. Everything is reachable from the one `struct spawner`. */
#ifndef SPAWNER_H
#define SPAWNER_H

#include <sys/types.h>

#include "common/packet.h"
#include "limits/cgroup.h"
#include "sandbox/internal.h"

struct spawner;

/* What epoll points at: the first member of everything that owns a watched descriptor. */
struct watch {
    void (*ready)(struct spawner *spawner, struct watch *watch, uint32_t events);
    int fd;
};

/* A deadline in the spawner's heap; `index` 0 is "not set". */
struct timer {
    uint64_t at;
    size_t index;
    void (*expired)(struct spawner *spawner, struct timer *timer);
};

struct timers {
    struct timer **heap; /* from 1 */
    size_t count, room;
};

/* A host identity and a cgroup: what a sandbox occupies, and gives back only when nothing of it is left. */
struct slot {
    struct watch oom;
    uint32_t number;
    struct identity lease;    /* kept from sandbox to sandbox */
    struct identity identity; /* of the sandbox that is in it now */
    struct cgroup cgroup;
    int user; /* a user namespace with this lease's maps, or -1 */
    uint32_t user_uid, user_gid;
    struct identity user_identity;
    struct sandbox *sandbox;
    struct zygote *zygote;   /* it was given this slot's cgroup and user namespace, and may have kept both; else NULL */
    struct cgroups *cgroups; /* where its cgroup is: the spawner's, or a session's */
    bool retired;            /* never used again */
    struct session *session; /* a command's: its identity and its cgroup are that one's */
    struct slot *next;       /* free slots */
};

enum sandbox_state {
    SANDBOX_MAKING,
    SANDBOX_EMPTY,   /* below a zygote: made, and its step not asked for yet */
    SANDBOX_FILLING, /* the zygote has been asked to fork */
    SANDBOX_READY,
    SANDBOX_RUNNING,
    SANDBOX_ENDING,
};

enum namespace { NS_USER, NS_PID, NS_MNT, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NAMESPACES };
extern const char *const NAMESPACE_NAMES[NAMESPACES]; /* in /proc/PID/ns */

/* What makes a step a zygote: others are forked by it. Lives as long as its sandbox. */
struct zygote {
    struct watch control;
    struct sandbox *sandbox;
    uint64_t step_id;
    int user, pid;           /* its namespaces */
    uint32_t sandboxes;      /* below it */
    uint32_t forks;          /* that it was asked for */
    struct slot *free_slots; /* for its steps alone, as long as any of its processes may live */
    bool warm;               /* it has said so */
    bool over;               /* it has ended, or is about to */
    bool end_kept;           /* the app is told when the sandboxes below it have gone, too */
    struct zygote *next;
};

/* What makes a sandbox one that lives: commands run in it, each as a sandbox of its own that has but a cgroup. Lives
 * until the last of them has gone. */
struct session {
    struct sandbox *sandbox; /* NULL when that has gone */
    uint64_t step_id;
    struct cgroups cgroups; /* below its own */
    int own;                /* of these, v2: init's */
    struct slot *free_slots;
    uint32_t commands;
    int freezer;          /* where its commands' cgroups cannot be frozen, and it was paused before; else -1 */
    struct timer looks;   /* while it is about to stand still */
    uint64_t still_until; /* then it is given up */
    struct froze answer;  /* what is to be told */
    bool held;            /* nothing is released into it */
    bool over;            /* it has ended, or is about to */
    bool gone;            /* its init has ended */
    struct session *next;
};

/* What a sandbox needs until its step has been forked. */
struct nest {
    struct zygote *zygote;
    int reports, jobs; /* the step's ends */
    int namespaces[NAMESPACES];
    uint64_t inodes[NAMESPACES];
};

struct sandbox {
    struct watch reports;  /* init's socket, shared with the step */
    struct watch life;     /* pidfd of init */
    struct watch listener; /* seccomp notifications */
    struct watch main;     /* pidfd of the step's main process */
    uint64_t id;
    uint64_t root_device, root_inode; /* of its maker's tree: the next maker of the policy has another */
    enum sandbox_state state;
    struct policy *policy;
    struct slot *slot;
    struct step *step;
    int jobs;
    int tree;         /* a session's, between its making and its start: the directory of its scratch space, or -1 */
    bool users_notes; /* with it: overlays keep their notes in attributes of the user's */
    bool main_ended, end_reported;
    int watched_proc, watched_scratch; /* only where memory is watched */
    uint64_t watched_cpu_ns;           /* what was used before the step was released */
    int net, user;                     /* its namespaces, where they may be used again; else -1 */
    struct zygote *zygote;             /* when its step is one */
    struct nest *nest;                 /* when it lies below one */
    struct session *session;           /* when it is one */
    struct session *within;            /* when it is a command of one */
    pid_t keeper;                      /* as it is seen there; for the spawner it is `init` */
    bool stays;                        /* its main process has ended, others of it go on */
    uint64_t step_id, released_at;     /* of the step that it runs or, where it stays, has run */
    struct timer unkept;               /* its keeper is to end, and no step waits for that */
    struct timer look;                 /* at what has booted in one and waits, where memory is watched */
    uint64_t look_pause;
    uint32_t boot_processes; /* RLIMIT_NPROC that it has booted with; 0: none */
    bool parked;
    bool untaken; /* it had ended before its job could be sent */
    pid_t init;   /* where others have its socket, too: who may report the end; 0: not told yet */
    uid_t init_uid;
    pid_t parked_pid;
    uid_t parked_uid;
    struct report parked_report;
    bool has_failure;
    struct failure failure;
    struct layer_state enforced[LAYER_COUNT];
    struct sandbox *next, *previous; /* in the policy's list of ready ones, or in the list of all others */
};

struct policy {
    struct watch maker;
    uint32_t id;
    pid_t maker_pid;
    struct bytes message; /* the Define, ours */
    struct bytes scratch; /* in it: where the scratch space is seen inside */
    bool scratch_on_disk;
    struct bytes base_filter;
    bool host_network, core_scheduling, has_writable, has_closed, notifies, reuse_net, reuse_user, forgotten, fresh;
    bool portable;         /* its sandboxes have no namespaces */
    bool needs_namespaces; /* it does without them by name, and what it asks for cannot be had so */
    uint64_t scratch_bytes;
    uint32_t uid, gid, require, allow_weaker, allow_missing;
    struct failure broken; /* why no sandbox can be made; stage and errno 0: nothing */
    bool is_broken;
    bool in_use, resting;          /* for trim.c; without a maker until it is used again */
    bool zygote;                   /* its steps are zygotes */
    uint64_t below;                /* step of the zygote that forks its steps; 0: none does */
    bool session;                  /* its steps are sessions */
    uint64_t within;               /* step of the session that its steps are commands of; 0: of none */
    struct bytes boot, boot_input; /* in the message */
    uint32_t parked_wanted;
    int define; /* for the zygote: a file with the Define; -1 before the first */
    uint32_t making, ready_count, empty_count, filling;
    struct sandbox *ready, *empty;
    struct step *queue_first, *queue_last;
    uint32_t queued;
    uint64_t last_used, idle_until;
    uint32_t failures;      /* in a row */
    uint64_t maker_died_at; /* 0: what was made since, or never */
    bool wants_refill;
    struct policy *next;
};

struct step {
    struct timer timer; /* the nearest of the deadlines below */
    uint64_t id;
    struct policy *policy;
    struct sandbox *sandbox; /* NULL while queued */
    uint8_t *message;        /* the packet as the app sent it, or NULL when it is in memory_file */
    size_t message_length;
    uint64_t body_offset, body_length;
    int memory_file;
    int descriptors[3 + FURTHER_LIMIT]; /* its pipes, then the further ones */
    size_t descriptor_count;
    uint64_t pipes; /* bit n: descriptor n is one */
    uint32_t files; /* among the further ones: in memory */
    struct limits limits;
    bool announce, keep_background;
    uint64_t queued_at, released_at;
    uint64_t queue_deadline, wall_deadline, grace_deadline, cpu_check, memory_check, fork_stop,
        keeper_deadline;             /* 0: none */
    uint32_t oom_looks;              /* since the latest notice that memory has run out */
    bool oom_noticed, oom_after_end; /* the first notice, and that it came after the main process had ended */
    bool has_cause;                  /* the first event wins */
    int unwatched;                   /* why it could not be watched any longer, and was ended */
    uint32_t cause, scope;
    struct evidence evidence;
    struct step *next; /* in its policy's queue */
    struct step *hash_next;
};

/* In place of a path: no memory was to be had for the policy of the step. The app describes it anew
 * (src/spawner/failure.ts). */
#define LOST_POLICY "policies"

enum {
    STEP_BUCKETS = 1024,
    FREE_SLOTS = 32 /* kept for the next burst; more are made anew */,
    SPARE_NETS = 64,     /* those that rest among them */
    MOST_PAIRS = 1 << 18 /* of ids that are leased; a larger range is not used to its end */
};

/* A net namespace that belongs to no sandbox now. */
struct spare_net {
    int fd;
    uint64_t since;
};

struct reply {
    struct reply *next;
    size_t length;
    uint8_t data[];
};

struct spawner {
    int epoll;
    struct watch app;
    struct reply *replies_first, *replies_last;
    bool configured, refused, privileged, leases, enters_namespaces, ending;
    bool began_as_root;               /* of whatever user namespace the app is in */
    struct failure no_user_namespace; /* why there is none, and it stays nevertheless (portable.c); else stage 0 */
    bool namespaces_tried, lacks_namespaces, has_scratch_directory;
    int reserve; /* a descriptor to be given up for a message; -1 while there is none */
    int self;    /* our own binary, sealed, for the makers */
    int proc;    /* the host's /proc */
    int state;   /* the state directory */
    char scratch_directory[PATH_LIMIT + 1];
    int record, uid_locks; /* this instance's record (locked while we live) and the file whose bytes are the leases */
    char record_name[64];
    uint32_t id_start, id_count, id_offset; /* ids that can be leased, in our user namespace; + offset = on the host */
    uint64_t own_pairs[MOST_PAIRS / 64];    /* a bit for each pair of them that a slot of ours has leased */
    uint64_t own_namespaces[NAMESPACES];
    int own_filters; /* seccomp filters that the spawner itself runs under, for good */
    struct configure configure;
    struct cgroups cgroups;
    struct timers timers;
    struct timer retry, trim;
    struct policy *policies;
    struct zygote *zygotes, *dropped_zygotes;
    struct session *sessions;
    struct sandbox *others;
    struct sandbox *dropped; /* freed between two rounds of the loop: an event of this round may still point at them */
    bool has_forgotten, wants_refill, deaf;
    bool has_lost_policies; /* of some that were described there is nothing, for want of memory */
    uint64_t descriptor_limit;
    uint32_t most_further; /* further descriptors of a step so far: the next may have as many */
    struct slot *free_slots;
    struct slot *dropped_slots; /* as `dropped` */
    uint32_t slots_made, free_count, running;
    struct spare_net spare_nets[SPARE_NETS]; /* untouched ones, the oldest first */
    size_t spare_net_count;
    uint64_t next_sandbox;
    struct step *steps[STEP_BUCKETS];
};

/* app.c: the app's end of the conversation. */
void app_ready(struct spawner *spawner, struct watch *watch, uint32_t events);
/* Reads the app's messages again, when there are descriptors for what comes with them. */
void listen_again(struct spawner *spawner);
void tell_app(struct spawner *spawner, const struct writer *writer);
void tell_failed(struct spawner *spawner, uint64_t step_id, const struct failure *failure);

/* watch.c: epoll. */
int watch_descriptor(struct spawner *spawner, struct watch *watch, int fd, uint32_t events,
                     void (*ready)(struct spawner *, struct watch *, uint32_t));
void unwatch(struct spawner *spawner, struct watch *watch);
enum {
    SANDBOX_DESCRIPTORS = 21, /* what making one takes */
    MESSAGE_DESCRIPTORS =
        2 * SANDBOX_DESCRIPTORS + 4, /* what must be free to read a message: its own, and room to serve it */
};
bool is_short_of_descriptors(const struct spawner *spawner, uint32_t needed);

/* timers.c */
int set_timer(struct timers *timers, struct timer *timer, uint64_t at);
void clear_timer(struct timers *timers, struct timer *timer);
int next_timeout_ms(const struct timers *timers);
void expire_timers(struct spawner *spawner);

/* setup.c: Configure. */
int configure_spawner(struct spawner *spawner, struct bytes body, struct failure *failure);
void leave(struct spawner *spawner);

/* outer.c: a user namespace for a spawner without privileges. */
bool has_capabilities(uint64_t needed); /* effective; a bit each */
bool has_host_privileges(void);
int enter_outer_namespace(struct spawner *spawner, struct failure *failure);
/* Tried out in a process of its own, for who fails half-way cannot go back. */
bool can_enter_outer_namespace(struct failure *failure);

/* slots.c */
struct slot *take_slot(struct spawner *spawner, const struct policy *policy, struct failure *failure);
void give_slot(struct spawner *spawner, struct slot *slot);
void remove_slots(struct spawner *spawner);
/* Nothing of the zygote runs any more: what it may have kept is made anew, and the rest can serve others. */
void take_slots_back(struct spawner *spawner, struct zygote *zygote);
void remove_slots_of(struct spawner *spawner, struct session *session);
void free_dropped_slots(struct spawner *spawner);
void oom_noticed(struct spawner *spawner, struct watch *watch, uint32_t events); /* deadlines.c */

/* sessions.c */
struct session *find_session(struct spawner *spawner, uint64_t step_id);
/* Makes room for commands in the cgroup of a sandbox that is about to be made. 0, or -1. */
int prepare_session(struct spawner *spawner, struct sandbox *sandbox);
/* Its commands end with it, for the same cause. */
void end_session(struct spawner *spawner, struct sandbox *sandbox);
/* It has to stay until its last command has gone. */
bool outlived_by_commands(struct sandbox *sandbox);
void free_session(struct spawner *spawner, struct sandbox *sandbox);
/* A command is about to be made. -1: the session is over. */
int enter_session(struct spawner *spawner, struct sandbox *sandbox);
/* Who keeps a command, as the kernel tells of its pidfd: 0, or -1. */
int see_keeper(const struct spawner *spawner, struct sandbox *sandbox);
void leave_session(struct spawner *spawner, struct sandbox *sandbox);
int send_command(struct spawner *spawner, struct sandbox *sandbox, int reports, int jobs);
/* Its init serves as the maker of its commands. */
int open_session(struct spawner *spawner, struct policy *policy, struct failure *failure);
/* To the socket that its Start came with, if any. */
int give_tree(struct sandbox *sandbox, const struct step *step);
/* It is being ended by its keeper, who has a while for it. */
void expect_end_of(struct spawner *spawner, struct step *step);
void keeper_expired(struct spawner *spawner, struct step *step);
/* freeze.c: a session that stands still. */
void freeze_session(struct spawner *spawner, struct bytes body);
/* Its init has answered. */
void session_obeyed(struct spawner *spawner, const struct make_reply *reply);
/* A command has ended in it: where signals stop, one of it can have woken others, the kernel having woken that. */
void stand_still_again(struct spawner *spawner, struct session *session);
/* Nobody waits for it any more. */
void end_standing(struct spawner *spawner, struct session *session);
bool is_held(struct spawner *spawner, const struct policy *policy);
/* look.c: what a session uses. */
void look_at_session(struct spawner *spawner, struct bytes body);
/* As above, when it is no step's any more, or never was one's. */
void expect_end_unasked(struct spawner *spawner, struct sandbox *sandbox);
bool is_one_ending(const struct spawner *spawner, const struct session *session);
uint32_t scope_of_session_oom(const struct spawner *spawner, const struct session *session);

/* makers.c */
void maker_ready(struct spawner *spawner, struct watch *watch, uint32_t events);
bool has_maker(const struct policy *policy);
int start_maker(struct spawner *spawner, struct policy *policy, struct failure *failure);
/* It said why it cannot build the tree, or is not needed any more: its queue fails. */
void end_maker(struct spawner *spawner, struct policy *policy, const struct failure *failure);
bool is_maker_gone(struct spawner *spawner, const struct policy *policy);
/* Gives up its maker and its ready sandboxes until it is used again. */
void rest_policy(struct spawner *spawner, struct policy *policy);
/* In memory, at its begin, for those who shall read and not change it; or -1. */
int sealed_file(struct bytes content);

/* policies.c: and the pools of ready sandboxes. */
struct policy *find_policy(struct spawner *spawner, uint32_t id);
void define_policy(struct spawner *spawner, struct bytes body);
void forget_policy(struct spawner *spawner, uint32_t id);
void refill_after_release(struct spawner *spawner, struct policy *policy);
void back_off(struct policy *policy);
void refill_pools(struct spawner *spawner);
/* Between two rounds of the loop, when whoever asks has come to an end with what it does. */
void want_refill(struct spawner *spawner, struct policy *policy);
void fail_or_wait(struct spawner *spawner, struct policy *policy, const struct failure *failure);
void free_forgotten(struct spawner *spawner);
void fill_pool(struct spawner *spawner, struct policy *policy);
/* Gives up what is kept for nobody. Room comes when that has ended; false: there is nothing. */
bool give_way(struct spawner *spawner);
/* On their way, of all policies. */
uint32_t count_making(const struct spawner *spawner);
/* Whether there is a sandbox whose end comes by itself. */
bool can_room_come(const struct spawner *spawner);
void fail_queue(struct spawner *spawner, struct policy *policy, const struct failure *failure);

/* trim.c: what is kept for nobody. */
bool is_busy(const struct spawner *spawner, const struct policy *policy);
void trim_later(struct spawner *spawner);

/* sandboxes.c: from a request to the maker until nothing is left. */
int request_sandbox(struct spawner *spawner, struct policy *policy, struct failure *failure);
void sandbox_made(struct spawner *spawner, const struct make_reply *reply, int pidfd);
/* It belongs to the list of its state, and is counted there. */
void set_state(struct spawner *spawner, struct sandbox *sandbox, enum sandbox_state state);
void free_dropped(struct spawner *spawner);
void end_sandbox(struct spawner *spawner, struct sandbox *sandbox);
void sandbox_failed(struct spawner *spawner, struct sandbox *sandbox, const struct failure *failure);
void drop_sandbox(struct spawner *spawner, struct sandbox *sandbox);
/* Its init and its last command have gone. */
void session_gone(struct spawner *spawner, struct sandbox *sandbox);

/* ready.c: from made to taken by a step. */
/* Being made or, below a zygote, being filled. */
bool is_on_its_way(const struct sandbox *sandbox);
/* Why something of it could not be observed: what has ended shows nothing, and that says nothing of how it was
 * confined.
 */
enum stage unseen(const struct spawner *spawner, const struct sandbox *sandbox);
/* It has ended, or is about to: its init has begun to. */
bool is_ending(const struct spawner *spawner, const struct sandbox *sandbox);
/* 0 when that cannot be told. */
pid_t pid_behind(const struct spawner *spawner, int pidfd);
/* When all that is to be known of it is known: its step waits, or waits for a zygote to fork it. */
void become_ready(struct spawner *spawner, struct sandbox *sandbox);
void become_empty(struct spawner *spawner, struct sandbox *sandbox);
/* The init of a session waits for commands. */
void become_living(struct spawner *spawner, struct sandbox *sandbox);
/* Asks zygotes for as many steps as are wanted and can be had. */
void fill_sandboxes(struct spawner *spawner, struct policy *policy, uint32_t wanted);
/* A ready one, from now on running; NULL when there is none. */
struct sandbox *take_ready(struct spawner *spawner, struct policy *policy);

/* reports.c: what is said in a sandbox. */
void reports_ready(struct spawner *spawner, struct watch *watch, uint32_t events);
void read_reports(struct spawner *spawner, struct sandbox *sandbox);

/* namespaces.c */
bool may_enter_namespaces(void);
/* Fills the request; answers how many descriptors go with it. */
size_t lend_namespaces(struct spawner *spawner, struct sandbox *sandbox, struct make_request *request, int out[2]);
/* When nothing of the sandbox runs any more. */
void take_namespaces_back(struct spawner *spawner, struct sandbox *sandbox);
void close_namespaces(struct sandbox *sandbox);
void close_spare_nets(struct spawner *spawner);

/* boot.c: programs that start before they have a job. */
bool boots(const struct policy *policy);
/* Whether foreign code can have a step's ends of the sockets: a zygote's, or what a program that boots preloads. What
 * comes from there may be anything. */
bool has_foreign_ends(const struct policy *policy);
/* When its step is confined and nobody else can have it yet. */
int boot_sandbox(struct spawner *spawner, struct sandbox *sandbox, struct failure *failure);

/* observe.c */
int count_own_filters(struct spawner *spawner); /* once: the spawner installs none */
int observe(struct spawner *spawner, struct sandbox *sandbox, pid_t pid, const struct report *parked);
/* What may change while a ready sandbox waits is still as it was seen. */
bool still_holds(const struct sandbox *sandbox);

/* zygotes.c: steps that fork steps, and the sandboxes below them. */
struct zygote *find_zygote(const struct spawner *spawner, uint64_t step_id);
/* Its namespaces are not to be had any more, whether or not its end was told. Of a policy that is below none: false. */
bool is_zygote_ending(const struct spawner *spawner, const struct policy *policy);
/* When a zygote's step is released: answers its end of the conversation, or -1. */
int begin_zygote(struct spawner *spawner, struct sandbox *sandbox, uint64_t step_id);
/* It has ended, or is being ended. Whether sandboxes below it keep its own alive. */
bool outlive_zygote(struct spawner *spawner, struct sandbox *sandbox);
/* The app has destroyed it, and counts on nothing being left when it hears of its end; something is. */
bool keeps_its_end(const struct sandbox *sandbox);
/* Those whose last sandbox has gone. Between two rounds of the loop: it releases steps. */
void tell_destroyed_zygotes(struct spawner *spawner);
void free_zygote(struct spawner *spawner, struct sandbox *sandbox);
void free_dropped_zygotes(struct spawner *spawner);
/* A sandbox below the zygote of its policy, with the step's ends of its sockets; -1 when there is no such zygote. */
int make_nest(struct spawner *spawner, struct sandbox *sandbox, int reports, int jobs);
/* It is made: what a step has to enter is opened. */
int see_nest(struct spawner *spawner, struct sandbox *sandbox);
/* Asks for a step in it. */
int fill_nest(struct spawner *spawner, struct sandbox *sandbox, struct failure *failure);
/* Its init learns who the step is. */
int adopt_parked(struct sandbox *sandbox, pid_t inside);
/* The step may get itself ready for a job: that nobody waits for it, the caller knows. */
/* Descriptors by which a sandbox's cgroup is joined by one's own hand. `opened`: of these, what is to be closed; on v2
 * -1 when it cannot be had. */
size_t attach_files(const struct spawner *spawner, const struct sandbox *sandbox, int *out, int *opened);
void tell_seen(const struct sandbox *sandbox);
void free_nest(struct spawner *spawner, struct sandbox *sandbox);

/* steps.c */
void start_step(struct spawner *spawner, struct bytes message, struct bytes body, struct packet *packet,
                int memory_file);
void kill_step(struct spawner *spawner, struct bytes body);
void run_queue(struct spawner *spawner, struct policy *policy);
/* How many of its steps may run besides those that do: what takes no place need not wait for one. */
uint32_t free_places(struct spawner *spawner, const struct policy *policy);
void run_all_queues(struct spawner *spawner);
/* One that was not released yet: told as a result, and gone. */
void cancel_queued(struct spawner *spawner, struct step *step, uint32_t cause, uint32_t scope);
void fail_step(struct spawner *spawner, struct step *step, const struct failure *failure);
struct step *find_step(struct spawner *spawner, uint64_t id);
/* Parts the step from its sandbox or queue; the sandbox ends, as no sandbox runs two. */
void detach_step(struct spawner *spawner, struct step *step);
void forget_step(struct spawner *spawner, struct step *step);

/* further.c: what a step has open besides stdin, stdout and stderr. */
int take_further(const struct start *start, int *descriptors, struct failure *failure);

/* deadlines.c */
void arm_step(struct spawner *spawner, struct step *step);
void check_cpu_time(struct spawner *spawner, struct step *step, uint64_t now);

/* sessions.c: what a command leaves behind, when its keeper was told to keep it. */
void stay_behind(struct spawner *spawner, struct step *step);
void check_stayers(struct spawner *spawner, struct step *step, uint64_t now);

/* ending.c */
void main_ended(struct spawner *spawner, struct watch *watch, uint32_t events);
void step_event(struct spawner *spawner, struct step *step, uint32_t cause, uint32_t scope);
void step_ended(struct spawner *spawner, struct step *step, const struct report *report);
void step_lost(struct spawner *spawner, struct step *step);
uint32_t scope_of_oom(const struct spawner *spawner, const struct step *step, const struct counters *counters);

/* scratch.c */
int open_scratch(const struct spawner *spawner, const struct policy *policy, pid_t pid);
bool is_scratch_full(const struct spawner *spawner, const struct sandbox *sandbox);

/* watch_usage.c: where no cgroup limits it. */
int open_watched(struct spawner *spawner, struct sandbox *sandbox, pid_t pid);
/* -1, with errno, when it could not be looked at: it must be ended then, and not for what it uses. */
int watched_memory(const struct sandbox *sandbox, uint64_t limit, bool *over);
/* Whether the commands of its session use more together than they may, and this one is a large part of it. */
int watched_session(const struct sandbox *sandbox, bool *over);
/* What it uses now; one that cannot be looked at is as one of which nothing is known. */
void watched_now(const struct sandbox *sandbox, bool of_session, struct seen *out);
int watched_cpu_ns(const struct sandbox *sandbox, uint64_t *out);

/* patience.c: between the two, no call waits for long on what a zygote has sent. */
void lose_patience(void);
void regain_patience(void);

/* notify.c: seccomp verdict `kill`. */
void seccomp_notified(struct spawner *spawner, struct watch *watch, uint32_t events);

/* probe.c */
void probe(struct spawner *spawner, struct bytes body);
/* One of enum what, tried now. */
bool can_be_done(struct spawner *spawner, uint32_t what);

/* portable.c: sandboxes without namespaces, for policies that do without. */
bool lacks_namespaces(struct spawner *spawner);
/* There will be no user namespace for the spawner itself: `failure` tells why. */
void do_without_namespaces(struct spawner *spawner, const struct failure *failure);
/* In which the makers make one for each sandbox. */
int make_scratch_directory(struct spawner *spawner, char path[PATH_LIMIT + 1], struct failure *failure);
void leave_scratch_directory(const struct spawner *spawner);
/* That of the spawner with this number, which is dead. */
void remove_scratch_directory(const struct spawner *spawner, uint64_t instance);
/* All of the user's, whether or not they are ours. */
uint32_t count_own_threads(const struct spawner *spawner);

/* probe_calls.c */
long try_call(uint32_t what);

#endif
