/* Zygotes: steps that fork other steps. Runs in the spawner.
 * A zygote runs foreign code and is believed nothing: whether the step that it forked is where it has to be, observe.c
 * sees. What it can do is not to fork, and then its steps wait for as long as their queue time lets them.
 * Its own sandbox lives on while others lie below it: they end with its init, and not with the zygote. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { FORKS_PER_LOOK = 32 };

struct zygote *find_zygote(const struct spawner *spawner, uint64_t step_id)
{
    for (struct zygote *zygote = spawner->zygotes; zygote; zygote = zygote->next) {
        if (zygote->step_id == step_id && !zygote->over)
            return zygote;
    }
    return NULL;
}

static void fill_all_below(struct spawner *spawner, const struct zygote *zygote)
{
    for (struct policy *policy = spawner->policies; policy; policy = policy->next) {
        if (policy->below == zygote->step_id) {
            want_refill(spawner, policy);
        }
    }
}

static uint64_t resident_bytes(const struct spawner *spawner, const struct zygote *zygote)
{
    char path[32], text[128];
    unsigned long long size, resident;
    snprintf(path, sizeof(path), "%d/statm", zygote->sandbox->parked_pid);
    if (read_file_at(spawner->proc, path, text, sizeof(text)) < 0 || sscanf(text, "%llu %llu", &size, &resident) != 2)
        return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void tell_size(struct spawner *spawner, const struct zygote *zygote, struct bytes words)
{
    static uint8_t space[ZYGOTE_WORDS_LIMIT + 64];
    struct writer writer = {.start = space, .size = sizeof(space)};
    write_warm(&writer, zygote->step_id, words, resident_bytes(spawner, zygote));
    tell_app(spawner, &writer);
}

/* Once: said again and again, it would fill what waits for the app. */
static void is_warm(struct spawner *spawner, struct zygote *zygote, struct bytes words)
{
    if (!zygote->warm)
        tell_size(spawner, zygote, words);
    zygote->warm = true;
}

/* Only one of its own, and only while it is asked for. */
static void cannot_fork(struct spawner *spawner, const struct zygote *zygote, const struct zygote_message *message)
{
    for (struct sandbox *sandbox = spawner->others; sandbox; sandbox = sandbox->next) {
        if (sandbox->id != message->sandbox || !sandbox->nest || sandbox->nest->zygote != zygote ||
            sandbox->state != SANDBOX_FILLING)
            continue;
        if (message->error == EINTR) { /* something ended one of its helpers: another sandbox, another try */
            back_off(sandbox->policy);
            end_sandbox(spawner, sandbox);
            return;
        }
        struct failure failure = {.stage = message->error == EAGAIN || is_exhaustion(message->error) ? STAGE_RESOURCES
                                                                                                     : STAGE_ZYGOTE,
                                  .error = message->error};
        sandbox_failed(spawner, sandbox, &failure);
        return;
    }
}

static void control_ready(struct spawner *spawner, struct watch *watch, uint32_t events)
{
    static struct {
        struct zygote_message head;
        uint8_t words[ZYGOTE_WORDS_LIMIT];
    } message;
    struct zygote *zygote = (struct zygote *)((char *)watch - offsetof(struct zygote, control));
    struct packet packet;
    (void)events;
    lose_patience();
    int got = receive_packet(watch->fd, &message, sizeof(message), &packet, MSG_DONTWAIT);
    bool empty = got < 0 && errno == EAGAIN;
    close_packet(&packet);
    if (got <= 0 && !empty)
        unwatch(spawner, watch); /* the end of the process follows */
    regain_patience();
    if (got <= 0)
        return;
    if (packet.length < sizeof(message.head))
        return;
    if (message.head.kind == ZYGOTE_WARM)
        is_warm(spawner, zygote, (struct bytes){message.words, packet.length - sizeof(message.head)});
    else if (message.head.kind == ZYGOTE_CANNOT_FORK)
        cannot_fork(spawner, zygote, &message.head);
}

static int open_namespace(const struct spawner *spawner, pid_t pid, const char *name)
{
    char path[48];
    snprintf(path, sizeof(path), "%d/ns/%s", pid, name);
    return openat(spawner->proc, path, O_RDONLY | O_CLOEXEC);
}

int begin_zygote(struct spawner *spawner, struct sandbox *sandbox, uint64_t step_id)
{
    struct zygote *zygote = calloc(1, sizeof(*zygote));
    int pair[2];
    if (!zygote)
        return -1;
    if (packet_pair(pair)) {
        free(zygote);
        return -1;
    }
    refuse_descriptors(pair[0]);
    zygote->sandbox = sandbox;
    zygote->step_id = step_id;
    zygote->user = open_namespace(spawner, sandbox->parked_pid, "user");
    zygote->pid = open_namespace(spawner, sandbox->parked_pid, "pid");
    zygote->next = spawner->zygotes;
    spawner->zygotes = zygote;
    sandbox->zygote = zygote;
    if (zygote->user < 0 || zygote->pid < 0 ||
        watch_descriptor(spawner, &zygote->control, pair[0], EPOLLIN, control_ready)) {
        zygote->control.fd = -1;
        close(pair[0]);
        close(pair[1]);
        free_zygote(spawner, sandbox);
        return -1;
    }
    fill_all_below(spawner, zygote);
    return pair[1];
}

/* Steps that it was asked for and that have not come will not; those that wait are as good as before. */
static void drop_unforked(struct spawner *spawner, const struct zygote *zygote)
{
    for (struct policy *policy = spawner->policies; policy; policy = policy->next) {
        while (policy->below == zygote->step_id && policy->empty)
            end_sandbox(spawner, policy->empty);
    }
    for (struct sandbox *next, *sandbox = spawner->others; sandbox; sandbox = next) {
        next = sandbox->next;
        bool waits = sandbox->state == SANDBOX_FILLING || sandbox->state == SANDBOX_MAKING;
        if (sandbox->nest && sandbox->nest->zygote == zygote && waits && !sandbox->parked && sandbox->life.fd >= 0)
            end_sandbox(spawner, sandbox);
    }
}

/* No step will need those that wait. */
static void drop_parked(struct spawner *spawner, const struct zygote *zygote)
{
    for (struct policy *policy = spawner->policies; policy; policy = policy->next) {
        while (policy->below == zygote->step_id && policy->ready)
            end_sandbox(spawner, policy->ready);
    }
}

static bool is_destroyed(const struct sandbox *sandbox)
{
    return sandbox->step && sandbox->step->has_cause && sandbox->step->cause == CAUSE_DESTROYED;
}

bool keeps_its_end(const struct sandbox *sandbox)
{
    return sandbox->zygote && sandbox->zygote->sandboxes > 0 && is_destroyed(sandbox);
}

void tell_destroyed_zygotes(struct spawner *spawner)
{
    for (struct zygote *zygote = spawner->zygotes; zygote; zygote = zygote->next) {
        if (zygote->end_kept && zygote->sandboxes == 0 && zygote->sandbox && zygote->sandbox->step)
            step_ended(spawner, zygote->sandbox->step, NULL);
    }
}

bool outlive_zygote(struct spawner *spawner, struct sandbox *sandbox)
{
    struct zygote *zygote = sandbox->zygote;
    if (!zygote->over) {
        zygote->over = true;
        drop_unforked(spawner, zygote);
        if (is_destroyed(sandbox))
            drop_parked(spawner, zygote);
        syscall(SYS_pidfd_send_signal, sandbox->main.fd, SIGKILL, NULL, 0);
    }
    return zygote->sandboxes > 0 && !spawner->ending;
}

static void free_unused(struct spawner *spawner, struct zygote *zygote)
{
    if (zygote->sandbox || zygote->sandboxes > 0)
        return;
    struct zygote **at = &spawner->zygotes;
    while (*at != zygote)
        at = &(*at)->next;
    *at = zygote->next;
    take_slots_back(spawner, zygote);
    zygote->next = spawner->dropped_zygotes; /* an event of this round may still point at it */
    spawner->dropped_zygotes = zygote;
}

void free_dropped_zygotes(struct spawner *spawner)
{
    for (struct zygote *zygote; (zygote = spawner->dropped_zygotes);) {
        spawner->dropped_zygotes = zygote->next;
        free(zygote);
    }
}

bool is_zygote_ending(const struct spawner *spawner, const struct policy *policy)
{
    const struct zygote *zygote = policy->below ? find_zygote(spawner, policy->below) : NULL;
    return policy->below && (!zygote || !zygote->sandbox || is_ending(spawner, zygote->sandbox));
}

/* When its sandbox is gone; those below it are about to be. */
void free_zygote(struct spawner *spawner, struct sandbox *sandbox)
{
    struct zygote *zygote = sandbox->zygote;
    if (!zygote)
        return;
    lose_patience();
    unwatch(spawner, &zygote->control);
    regain_patience();
    close_descriptor(&zygote->user);
    close_descriptor(&zygote->pid);
    zygote->over = true;
    zygote->sandbox = NULL;
    sandbox->zygote = NULL;
    free_unused(spawner, zygote);
}

int make_nest(struct spawner *spawner, struct sandbox *sandbox, int reports, int jobs)
{
    struct zygote *zygote = find_zygote(spawner, sandbox->policy->below);
    struct nest *nest = zygote ? calloc(1, sizeof(*nest)) : NULL;
    if (!nest)
        return -1;
    *nest = (struct nest){.zygote = zygote, .reports = -1, .jobs = -1};
    for (size_t i = 0; i < NAMESPACES; i++)
        nest->namespaces[i] = -1;
    nest->reports = fcntl(reports, F_DUPFD_CLOEXEC, 0);
    nest->jobs = fcntl(jobs, F_DUPFD_CLOEXEC, 0);
    sandbox->nest = nest;
    zygote->sandboxes++;
    return nest->reports < 0 || nest->jobs < 0 ? -1 : 0;
}

int see_nest(struct spawner *spawner, struct sandbox *sandbox)
{
    struct nest *nest = sandbox->nest;
    struct stat status;
    for (size_t i = 0; i < NAMESPACES; i++) {
        nest->namespaces[i] = open_namespace(spawner, sandbox->init, NAMESPACE_NAMES[i]);
        if (nest->namespaces[i] < 0 || fstat(nest->namespaces[i], &status))
            return -1;
        nest->inodes[i] = status.st_ino;
    }
    return 0;
}

static int define_file(struct policy *policy)
{
    if (policy->define < 0)
        policy->define = sealed_file(policy->message);
    return policy->define < 0 ? -1 : 0;
}

/* cgroup v2 is joined by a file in the directory, which belongs to us and which the zygote could not open. */
size_t attach_files(const struct spawner *spawner, const struct sandbox *sandbox, int *out, int *opened)
{
    const struct cgroup *cgroup = &sandbox->slot->cgroup;
    *opened = -1;
    if (spawner->cgroups.version != 2) {
        memcpy(out, cgroup->attach, sizeof(int) * cgroup->attach_count);
        return cgroup->attach_count;
    }
    *opened = openat(cgroup->attach[0], "cgroup.procs", O_WRONLY | O_CLOEXEC);
    out[0] = *opened;
    return 1;
}

static bool same_base_filter(const struct zygote *zygote, const struct policy *policy)
{
    const struct policy *own = zygote->sandbox->policy;
    return own->base_filter.length == policy->base_filter.length &&
           !memcmp(own->base_filter.data, policy->base_filter.data, policy->base_filter.length);
}

int fill_nest(struct spawner *spawner, struct sandbox *sandbox, struct failure *failure)
{
    struct nest *nest = sandbox->nest;
    struct policy *policy = sandbox->policy;
    const int *in = nest->namespaces;
    /* As struct fork_request has it. */
    int descriptors[PACKET_DESCRIPTORS] = {in[NS_PID], in[NS_CGROUP], in[NS_IPC],    in[NS_UTS], in[NS_NET],
                                           in[NS_MNT], in[NS_USER],   nest->reports, nest->jobs};
    size_t count = NAMESPACES + 2;
    if (define_file(policy))
        return fail(failure, STAGE_RESOURCES, NULL);
    descriptors[count++] = policy->define;
    int opened;
    size_t attached = attach_files(spawner, sandbox, &descriptors[count], &opened);
    autoclose int owned = opened;
    if (spawner->cgroups.version == 2 && owned < 0)
        return fail(failure, STAGE_RESOURCES, NULL);
    struct fork_request request = {.sandbox = sandbox->id,
                                   .policy_id = policy->id,
                                   .leased = sandbox->slot->identity.leased,
                                   .counted = (spawner->cgroups.controllers & 1u << LAYER_MEMORY) != 0,
                                   .ahead = policy->queue_first == NULL,
                                   .install_base = !same_base_filter(nest->zygote, policy),
                                   .attach_count = (uint32_t)attached};
    struct iovec part = {&request, sizeof(request)};
    if (send_packet(nest->zygote->control.fd, &part, 1, descriptors, count + attached, MSG_DONTWAIT))
        return fail(failure, STAGE_RESOURCES, NULL);
    for (size_t i = 0; i < NAMESPACES; i++)
        close_descriptor(&nest->namespaces[i]);
    close_descriptor(&nest->reports);
    close_descriptor(&nest->jobs);
    if (++nest->zygote->forks % FORKS_PER_LOOK == 0)
        tell_size(spawner, nest->zygote, (struct bytes){0});
    return 0;
}

void tell_seen(const struct sandbox *sandbox)
{
    struct job job = {.seen = true};
    struct iovec part = {&job, sizeof(job)};
    send_packet(sandbox->jobs, &part, 1, NULL, 0, MSG_DONTWAIT); /* without it, it waits for its job */
}

int adopt_parked(struct sandbox *sandbox, pid_t inside)
{
    struct adoption adoption = {.main = inside};
    struct iovec part = {&adoption, sizeof(adoption)};
    return send_packet(sandbox->reports.fd, &part, 1, NULL, 0, MSG_DONTWAIT);
}

void free_nest(struct spawner *spawner, struct sandbox *sandbox)
{
    struct nest *nest = sandbox->nest;
    if (!nest)
        return;
    for (size_t i = 0; i < NAMESPACES; i++)
        close_descriptor(&nest->namespaces[i]);
    close_descriptor(&nest->reports);
    close_descriptor(&nest->jobs);
    struct zygote *zygote = nest->zygote;
    zygote->sandboxes--;
    free(nest);
    sandbox->nest = NULL;
    if (zygote->over && zygote->sandboxes == 0 && zygote->sandbox)
        end_sandbox(spawner, zygote->sandbox);
    free_unused(spawner, zygote);
}
