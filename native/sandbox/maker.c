/* The maker: makes the sandboxes of one policy, one clone3 each, until the spawner closes its socket or dies.
 * Runs with the spawner's privileges, in a mount namespace that holds only what its sandboxes show, under the policy's
 * long filter. It was executed anew, so that no memory of the spawner (other steps' environments) reaches a sandbox. It
 * reads nothing that a step wrote. */
#include "sandbox/internal.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <poll.h>

#include "common/packet.h"
#include "portable/portable.h"
#include "sandbox/disk.h"
#include "sandbox/mounts.h"

struct maker {
    struct define policy;
    struct tree tree;
    struct disk disk;
    int self;      /* pidfd, for the inits to see that we live */
    bool portable; /* without namespaces; then, in place of the tree: */
    struct places places;
    struct warden *wardens;
};

static int read_policy(struct maker *maker)
{
    struct stat status;
    if (fstat(MAKER_POLICY, &status))
        return -1;
    void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, MAKER_POLICY, 0);
    if (memory == MAP_FAILED)
        return -1;
    close(MAKER_POLICY);
    return read_define((struct bytes){memory, (size_t)status.st_size}, &maker->policy);
}

/* A user namespace whose maps show the files of a directory's owner as the step's. It needs a process only while it is
 * made. */
static int make_idmap(const struct maker *maker, const struct stat *owner, const struct identity *identity)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        struct pollfd parent = {.fd = maker->self, .events = POLLIN};
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) || poll(&parent, 1, 0) != 0)
            _exit(1);
        for (;;)
            pause();
    }
    if (pid < 0)
        return -1;
    char uid_map[64], gid_map[64], path[64];
    snprintf(path, sizeof(path), "%d", pid);
    autoclose int process = openat(maker->tree.proc, path, O_DIRECTORY | O_CLOEXEC);
    snprintf(uid_map, sizeof(uid_map), "%u %u 1\n", owner->st_uid, identity->step);
    snprintf(gid_map, sizeof(gid_map), "%u %u 1\n", owner->st_gid, identity->step);
    int idmap = -1;
    if (!map_ids(process, uid_map, gid_map, false))
        idmap = openat(process, "ns/user", O_RDONLY | O_CLOEXEC);
    int error = errno;
    kill(pid, SIGKILL);
    errno = error;
    return idmap;
}

/* Mounts of one owner share one user namespace. */
static int find_idmap(const struct stat *owners, const int *idmaps, size_t which)
{
    for (size_t i = 0; i < which; i++) {
        if (idmaps[i] >= 0 && owners[i].st_uid == owners[which].st_uid && owners[i].st_gid == owners[which].st_gid)
            return fcntl(idmaps[i], F_DUPFD_CLOEXEC, 0);
    }
    return -1;
}

static int make_idmaps(const struct maker *maker, const struct identity *identity, int *idmaps, struct failure *failure)
{
    static struct stat owners[MOUNT_LIMIT];
    char path[PATH_LIMIT + 1];
    for (size_t i = 0; i < maker->policy.mount_count; i++) {
        const struct mount_entry *entry = &maker->policy.mounts[i];
        idmaps[i] = -1;
        if (!is_idmapped(entry) || !identity->leased || !maker->tree.privileged)
            continue;
        if (stat(place_of(&maker->policy, entry, path), &owners[i])) {
            if (entry->optional && errno == ENOENT)
                continue;
            return fail(failure, STAGE_MOUNT_SOURCE, path);
        }
        if (entry->kind == MOUNT_READ_ONLY && others_may_read(&owners[i]))
            continue;
        idmaps[i] = find_idmap(owners, idmaps, i);
        if (idmaps[i] < 0)
            idmaps[i] = make_idmap(maker, &owners[i], identity);
        if (idmaps[i] < 0)
            return fail_layer(failure, LAYER_UID);
    }
    return 0;
}

pid_t clone_init(const struct sandbox_start *start, int cgroup, int *pidfd)
{
    struct clone_args arguments = {
        .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
    };
    if (!start->policy->host_network && start->net < 0)
        arguments.flags |= CLONE_NEWNET;
    if (cgroup >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (unsigned)cgroup;
    }
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

/* Waits until init asks for its id maps, and writes them. */
static int serve_init(const struct maker *maker, pid_t pid, int sync, const struct make_request *request,
                      struct failure *failure)
{
    char byte, path[24];
    if (read(sync, &byte, 1) != 1)
        return fail(failure, STAGE_LOST, NULL); /* init has told the spawner why */
    snprintf(path, sizeof(path), "%d", pid);
    autoclose int process = openat(maker->tree.proc, path, O_DIRECTORY | O_CLOEXEC);
    if (process < 0 || map_sandbox_ids(&maker->policy, process, &request->identity, &request->ids, request->own))
        return fail_layer(failure, LAYER_USER);
    return write(sync, "g", 1) == 1 ? 0 : -1;
}

static void fill_start(struct maker *maker, const struct make_request *request, const struct packet *packet,
                       const int *idmaps, struct sandbox_start *start)
{
    size_t first = 2 + request->cgroup_count; /* of the namespaces */
    *start = (struct sandbox_start){.policy = &maker->policy,
                                    .identity = request->identity,
                                    .report = packet->descriptors[0],
                                    .jobs = packet->descriptors[1],
                                    .parent = maker->self,
                                    .counted = request->memory_counted,
                                    .covers = maker->tree.covers,
                                    .proc = maker->tree.proc,
                                    .net = request->has_net ? packet->descriptors[first] : -1,
                                    .user = request->has_user ? packet->descriptors[first + request->has_net] : -1,
                                    .below = request->below,
                                    .idmaps = idmaps,
                                    .privileged = maker->tree.privileged,
                                    .disk = maker->policy.scratch_on_disk ? &maker->disk : NULL,
                                    .scratch = -1,
                                    .portable = maker->portable};
    if (request->cgroup_version == 1)
        start->attach_count = request->cgroup_count;
    memcpy(start->attach, &packet->descriptors[2], sizeof(int) * start->attach_count);
}

/* In the maker's own namespaces. */
static int make_here(const struct maker *maker, const struct make_request *request, int cgroup,
                     struct sandbox_start *start, int *pidfd, struct failure *failure)
{
    int pair[2] = {-1, -1}; /* only for a new user namespace, whose maps have to be written from outside */
    if (!request->has_user && packet_pair(pair))
        return fail(failure, STAGE_RESOURCES, NULL);
    autoclose int ours = pair[0];
    autoclose int theirs = pair[1];
    pid_t pid = clone_init(start, cgroup, pidfd);
    if (pid == 0) {
        close_descriptor(&ours);
        start->sync = theirs;
        init_main(start);
    }
    if (pid < 0)
        return fail(failure, STAGE_RESOURCES, NULL);
    close_descriptor(&theirs);
    if (!request->has_user && serve_init(maker, pid, ours, request, failure)) {
        kill(pid, SIGKILL);
        close_descriptor(pidfd);
        return -1;
    }
    return 0;
}

static int make(struct maker *maker, const struct make_request *request, struct packet *packet, int *pidfd,
                struct failure *failure)
{
    int idmaps[MOUNT_LIMIT];
    struct sandbox_start start;
    if (make_idmaps(maker, &request->identity, idmaps, failure))
        return -1;
    maker->disk.sandbox = request->sandbox;
    fill_start(maker, request, packet, idmaps, &start);
    int cgroup = request->cgroup_version == 2 ? packet->descriptors[2] : -1;
    const int *zygote = &packet->descriptors[packet->descriptor_count - 2];
    int failed = maker->portable
                     ? make_portable(&maker->places, &maker->wardens, request, &start, cgroup, pidfd, failure)
                 : request->below ? make_below(&start, zygote, cgroup, pidfd, failure)
                                  : make_here(maker, request, cgroup, &start, pidfd, failure);
    for (size_t i = 0; i < maker->policy.mount_count; i++)
        close_descriptor(&idmaps[i]);
    return failed;
}

/* The kernel counts the descriptors that are on their way for all processes of a user, whoever sends them, and refuses
 * one more than RLIMIT_NOFILE. What others have sent is soon received. */
static int send_patiently(const struct iovec *part, int pidfd)
{
    enum { TRIES = 200, PAUSE_MS = 1 };
    int failed = send_packet(MAKER_SOCKET, part, 1, &pidfd, 1, 0);
    for (int i = 0; failed && errno == ETOOMANYREFS && i < TRIES; i++) {
        poll(NULL, 0, PAUSE_MS);
        failed = send_packet(MAKER_SOCKET, part, 1, &pidfd, 1, 0);
    }
    return failed;
}

static int reply(struct make_reply *answer, int pidfd)
{
    struct iovec part = {answer, sizeof(*answer)};
    if (pidfd >= 0) {
        if (!send_patiently(&part, pidfd))
            return 0;
        if (errno != ETOOMANYREFS)
            return -1;
        fail(&answer->failure, STAGE_RESOURCES, NULL);
        answer->made = false;
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    }
    return send_packet(MAKER_SOCKET, &part, 1, NULL, 0, 0);
}

static int serve(struct maker *maker)
{
    for (bool first = true;;) {
        struct make_request request = {0};
        struct packet packet;
        if (maker->portable)
            wait_for_message(&maker->places, &maker->wardens, MAKER_SOCKET);
        int got = receive_packet(MAKER_SOCKET, &request, sizeof(request), &packet, 0);
        if (got <= 0)
            return got;
        struct make_reply answer = {
            .sandbox = request.sandbox, .root_device = maker->tree.device, .root_inode = maker->tree.inode};
        int pidfd = -1;
        bool whole = packet.length == sizeof(request) && !packet.truncated && request.cgroup_count <= ATTACH_LIMIT &&
                     packet.descriptor_count ==
                         2 + request.cgroup_count + request.has_net + request.has_user + (request.below ? 2 : 0);
        errno = EMFILE;
        if (!whole)
            fail(&answer.failure, STAGE_RESOURCES, NULL);
        else
            answer.made = make(maker, &request, &packet, &pidfd, &answer.failure) == 0;
        if (whole && maker->policy.scratch_on_disk)
            have_given_up(&maker->disk, pidfd);
        close_packet(&packet);
        int failed = reply(&answer, pidfd);
        close_descriptor(&pidfd);
        if (failed)
            return -1;
        if (first && maker->policy.reuse_net) /* only now: somebody may wait for the first one */
            learn_untouched_net(maker->tree.proc);
        first = false;
    }
}

/* Whether ids mean here what they mean on the host: the first user namespace maps all of them. In a container's the
 * kernel's rules for user namespaces hold, whoever is root of it. */
static bool has_host_user_namespace(void)
{
    char map[256];
    unsigned inside, outside, count;
    if (read_file_at(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) < 0)
        return false;
    return sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 && outside == 0 &&
           count == UINT32_MAX;
}

static int build_everything(struct maker *maker, const char *directory, struct failure *failure)
{
    maker->tree.privileged = has_host_user_namespace();
    if (maker->policy.scratch_on_disk &&
        prepare_disk(&maker->disk, &maker->policy, directory, maker->tree.privileged, failure))
        return -1;
    signal(SIGCHLD, SIG_IGN); /* inits are reaped by the kernel; the spawner watches them by pidfd */
    return build_tree(&maker->policy, &maker->tree, failure);
}

static int open_everything(struct maker *maker, const char *directory, struct failure *failure)
{
    if (prepare_wardens())
        return fail(failure, STAGE_RESOURCES, NULL);
    maker->tree.proc = open("/proc", O_DIRECTORY | O_CLOEXEC);
    return open_places(&maker->places, &maker->policy, directory, failure);
}

static int prepare(struct maker *maker, const char *directory, struct failure *failure)
{
    raise_descriptor_limit(); /* whatever the spawner had at that moment; a step's own limit comes with its job */
    umask(0);
    if (prctl(PR_SET_NAME, "sandbox-maker") || read_policy(maker))
        return fail(failure, STAGE_PROTOCOL, NULL);
    if (maker->portable ? open_everything(maker, directory, failure) : build_everything(maker, directory, failure))
        return -1;
    maker->self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (maker->self < 0)
        return fail(failure, STAGE_RESOURCES, NULL);
    if (limit_resources(maker->policy.zygote, failure) ||
        (maker->policy.keyless && !maker->portable && make_new_keyring(failure)))
        return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return fail_layer(failure, LAYER_NO_NEW_PRIVS);
    if (install_filter(maker->policy.base_filter, 0))
        return fail_layer(failure, LAYER_SECCOMP);
    return 0;
}

int maker_main(const char *directory, bool portable)
{
    static struct maker maker;
    maker.portable = portable;
    struct make_reply answer = {0};
    struct pollfd spawner = {.fd = MAKER_SOCKET};
    /* The spawner may have died before PR_SET_PDEATHSIG took hold: then its end is closed. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || poll(&spawner, 1, 0) < 0 || (spawner.revents & POLLHUP))
        return 1;
    if (prepare(&maker, directory, &answer.failure)) {
        reply(&answer, -1);
        return 1;
    }
    return serve(&maker) ? 1 : 0;
}
