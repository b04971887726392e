/* Looks at a parked step from outside, through the kernel's eyes, and compares with what the policy asks for.
 * Runs in the spawner. What is seen here, and nothing else, becomes the `enforced` of the result. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>

struct look {
    struct spawner *spawner;
    struct sandbox *sandbox;
    const struct report *parked;
    char status[4096];
    char cgroup[4096];
    pid_t pid;
    int directory; /* /proc/PID */
};

static const char *line_of(const char *status, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = status; *line;) {
        if (!strncmp(line, name, length) && line[length] == ':')
            return line + length + 1;
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return "";
}

/* Real, effective, saved and file-system id. */
static bool all_ids_are(const char *line, uint32_t id)
{
    unsigned ids[4];
    return sscanf(line, " %u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) == 4 && ids[0] == id && ids[1] == id &&
           ids[2] == id && ids[3] == id;
}

static struct layer_state enforced(enum by by)
{
    return (struct layer_state){STATE_ENFORCED, by};
}

static struct layer_state absent(enum by by)
{
    return (struct layer_state){STATE_ABSENT, by};
}

static struct layer_state weaker(enum by by)
{
    return (struct layer_state){STATE_WEAKER, by};
}

/* A step that a zygote forked must have entered those of its sandbox: the zygote's are not ours either. */
static struct layer_state see_namespace(const struct look *look, enum namespace which)
{
    char path[32];
    struct stat status;
    const struct nest *nest = look->sandbox->nest;
    snprintf(path, sizeof(path), "ns/%s", NAMESPACE_NAMES[which]);
    bool own = !fstatat(look->directory, path, &status, 0) && status.st_ino != look->spawner->own_namespaces[which] &&
               (!nest || status.st_ino == nest->inodes[which]);
    return own ? enforced(BY_NAMESPACE) : absent(look->sandbox->policy->portable ? BY_NO_NAMESPACES : BY_UNSPECIFIED);
}

/* As above, and kept: another sandbox may get it (namespaces.c). It is the one that the step is in, whatever was lent;
 * where descriptors have run out it is not handed on. */
static struct layer_state see_kept(const struct look *look, enum namespace which, int *kept)
{
    char path[32];
    struct stat status, held;
    snprintf(path, sizeof(path), "ns/%s", NAMESPACE_NAMES[which]);
    if (fstatat(look->directory, path, &status, 0) || status.st_ino == look->spawner->own_namespaces[which])
        return absent(BY_UNSPECIFIED);
    if (*kept >= 0 && (fstat(*kept, &held) || held.st_ino != status.st_ino))
        close_descriptor(kept);
    if (*kept < 0)
        *kept = openat(look->directory, path, O_RDONLY | O_CLOEXEC);
    return enforced(BY_NAMESPACE);
}

static struct layer_state see_user(const struct look *look)
{
    const struct policy *policy = look->sandbox->policy;
    return policy->reuse_user ? see_kept(look, NS_USER, &look->sandbox->user) : see_namespace(look, NS_USER);
}

static struct layer_state see_pid(const struct look *look)
{
    return see_namespace(look, NS_PID);
}

/* Its own namespace, and in it the tree that the maker built. */
static struct layer_state see_mount(const struct look *look)
{
    struct stat root;
    const struct sandbox *sandbox = look->sandbox;
    if (sandbox->policy->portable)
        return see_namespace(look, NS_MNT);
    if (fstatat(look->directory, "root", &root, 0) || root.st_ino != sandbox->root_inode ||
        root.st_dev != sandbox->root_device)
        return absent(BY_UNSPECIFIED);
    return see_namespace(look, NS_MNT);
}

static struct layer_state see_net(const struct look *look)
{
    const struct policy *policy = look->sandbox->policy;
    if (policy->host_network)
        return absent(BY_HOST_NETWORK);
    return policy->reuse_net ? see_kept(look, NS_NET, &look->sandbox->net) : see_namespace(look, NS_NET);
}

static struct layer_state see_ipc(const struct look *look)
{
    return see_namespace(look, NS_IPC);
}

static struct layer_state see_uts(const struct look *look)
{
    return see_namespace(look, NS_UTS);
}

static struct layer_state see_cgroup(const struct look *look)
{
    return see_namespace(look, NS_CGROUP);
}

static struct layer_state see_capabilities(const struct look *look)
{
    static const char *const SETS[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
    uint64_t most = look->sandbox->policy->zygote ? ZYGOTE_CAPABILITIES : 0;
    bool bounded = true;
    for (size_t i = 0; i < LENGTH(SETS); i++) {
        const char *line = line_of(look->status, SETS[i]);
        if (*line && !strcmp(SETS[i], "CapBnd") && look->sandbox->policy->portable && strtoull(line, NULL, 16) != 0)
            bounded = false;
        else if (!*line || (strtoull(line, NULL, 16) & ~most) != 0)
            return absent(BY_UNSPECIFIED);
    }
    if (!bounded)
        return weaker(BY_KEPT_BOUNDING_SET);
    return enforced(BY_PROCESS_STATUS);
}

/* /proc does not show them: the parked step, our own code still, asks the kernel and says. */
static struct layer_state see_securebits(const struct look *look)
{
    uint32_t locked = SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                      SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED | SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP |
                      SECBIT_NO_CAP_AMBIENT_RAISE;
    return look->parked->securebits == locked
               ? enforced(BY_PROCESS_STATUS)
               : absent(look->sandbox->policy->portable ? BY_NO_NAMESPACES : BY_UNSPECIFIED);
}

static struct layer_state see_no_new_privs(const struct look *look)
{
    return atoi(line_of(look->status, "NoNewPrivs")) == 1 ? enforced(BY_PROCESS_STATUS) : absent(BY_UNSPECIFIED);
}

static struct layer_state see_uid(const struct look *look)
{
    const struct identity *identity = &look->sandbox->slot->identity;
    gid_t gid = identity->leased ? identity->step : getegid(); /* of a user namespace of ours both are 0 */
    if (!all_ids_are(line_of(look->status, "Uid"), identity->step) || !all_ids_are(line_of(look->status, "Gid"), gid))
        return absent(BY_UNSPECIFIED);
    return identity->leased ? enforced(BY_LEASED_ID) : weaker(BY_SHARED_ID);
}

static struct layer_state see_groups(const struct look *look)
{
    const char *groups = line_of(look->status, "Groups");
    size_t blank = strspn(groups, " \t");
    return groups[blank] == '\n' ? enforced(BY_PROCESS_STATUS) : weaker(BY_KEPT_GROUPS);
}

/* Mode 2 and both filters, above what the spawner itself may run under. */
static struct layer_state see_seccomp(const struct look *look)
{
    int filters = atoi(line_of(look->status, "Seccomp_filters"));
    int least = look->sandbox->nest ? 3 : 2; /* it has the zygote's, too */
    if (atoi(line_of(look->status, "Seccomp")) != 2 || filters < look->spawner->own_filters + least ||
        look->sandbox->policy->notifies != (look->sandbox->listener.fd >= 0))
        return absent(BY_UNSPECIFIED);
    return enforced(BY_FILTER);
}

static struct layer_state see_landlock(const struct look *look)
{
    return look->parked->landlock ? enforced(BY_PROCESS_STATUS) : absent(BY_KERNEL_LACKS_IT);
}

static struct layer_state see_controller(const struct look *look, enum layer layer, struct layer_state otherwise)
{
    const struct cgroups *cgroups = look->sandbox->slot->cgroups;
    if (!(cgroups->controllers & 1u << layer))
        return otherwise;
    if (!is_member(cgroups, &look->sandbox->slot->cgroup, look->cgroup))
        return absent(BY_UNSPECIFIED);
    return enforced(cgroups->version == 2 ? BY_CGROUP_V2 : BY_CGROUP_V1);
}

/* It is watched only where the app accepts that. Where it accepts neither that nor to do without, the refusal names
 * the form that would be possible. */
static struct layer_state see_memory(const struct look *look)
{
    bool waived = look->sandbox->policy->allow_missing & 1u << LAYER_MEMORY;
    bool watched = look->sandbox->watched_proc >= 0;
    return see_controller(look, LAYER_MEMORY, waived && !watched ? absent(BY_NO_WRITABLE_CGROUP) : weaker(BY_WATCHED));
}

static struct layer_state see_processes(const struct look *look)
{
    return see_controller(look, LAYER_PROCESSES, weaker(BY_RLIMIT));
}

static struct layer_state see_cpu(const struct look *look)
{
    return see_controller(look, LAYER_CPU, weaker(BY_RLIMIT));
}

/* Where no core has a second thread there is nobody to be kept from it. It can change while the machine runs. */
static bool are_cores_whole(void)
{
    char active[8];
    return read_file_at(AT_FDCWD, "/sys/devices/system/cpu/smt/active", active, sizeof(active)) > 0 && active[0] == '0';
}

/* 0: none. */
static unsigned long long core_cookie(pid_t pid)
{
    unsigned long long cookie = 0;
    errno = 0;
    return prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, pid, PR_SCHED_CORE_SCOPE_THREAD, &cookie) ? 0 : cookie;
}

/* The kernel tells of a process that may be looked at; else it is the step's own word, which no zygote's can give. */
static bool has_own_cores(const struct look *look)
{
    const struct nest *nest = look->sandbox->nest;
    unsigned long long cookie = core_cookie(look->pid);
    if (nest)
        return cookie != 0 && cookie != core_cookie(nest->zygote->sandbox->parked_pid);
    return look->parked->own_cores && (cookie != 0 || errno == EPERM);
}

static struct layer_state see_core_scheduling(const struct look *look)
{
    if (!look->sandbox->policy->core_scheduling)
        return absent(BY_NOT_ASKED_FOR);
    if (has_own_cores(look))
        return enforced(BY_CORE_COOKIE);
    return are_cores_whole() ? enforced(BY_WHOLE_CORES) : absent(BY_KERNEL_LACKS_IT);
}

bool still_holds(const struct sandbox *sandbox)
{
    return sandbox->enforced[LAYER_CORE_SCHEDULING].by != BY_WHOLE_CORES || are_cores_whole();
}

static struct layer_state (*const SEE[LAYER_COUNT])(const struct look *) = {
    [LAYER_USER] = see_user,
    [LAYER_PID] = see_pid,
    [LAYER_MOUNT] = see_mount,
    [LAYER_NET] = see_net,
    [LAYER_IPC] = see_ipc,
    [LAYER_UTS] = see_uts,
    [LAYER_CGROUP] = see_cgroup,
    [LAYER_CAPABILITIES] = see_capabilities,
    [LAYER_SECUREBITS] = see_securebits,
    [LAYER_NO_NEW_PRIVS] = see_no_new_privs,
    [LAYER_UID] = see_uid,
    [LAYER_GROUPS] = see_groups,
    [LAYER_SECCOMP] = see_seccomp,
    [LAYER_LANDLOCK] = see_landlock,
    [LAYER_MEMORY] = see_memory,
    [LAYER_PROCESSES] = see_processes,
    [LAYER_CPU] = see_cpu,
    [LAYER_CORE_SCHEDULING] = see_core_scheduling,
};

/* What the policy asks for must be there; a weaker form or an absence only where it is accepted by name. */
static int judge(struct sandbox *sandbox, enum layer layer, struct layer_state *state)
{
    const struct policy *policy = sandbox->policy;
    uint32_t bit = 1u << layer;
    if (state->state == STATE_ENFORCED || (state->state == STATE_WEAKER && (policy->allow_weaker & bit)))
        return 0;
    if (policy->allow_missing & bit) {
        if (state->state == STATE_ABSENT)
            state->state = STATE_WAIVED;
        return 0;
    }
    errno = 0;
    fail_layer(&sandbox->failure, layer);
    sandbox->failure.by = state->by;
    if (state->by == BY_UNSPECIFIED)
        sandbox->failure.stage = STAGE_OBSERVATION;
    return -1;
}

int count_own_filters(struct spawner *spawner)
{
    char own[4096];
    if (read_file_at(spawner->proc, "self/status", own, sizeof(own)) < 0)
        return -1;
    spawner->own_filters = atoi(line_of(own, "Seccomp_filters"));
    return 0;
}

/* The last number of the line: the pid in its own namespace. */
static pid_t pid_inside(const char *line)
{
    pid_t pid = 0;
    for (char *end; *line && *line != '\n'; line = end) {
        long number = strtol(line, &end, 10);
        if (end == line)
            break;
        pid = (pid_t)number;
    }
    return pid;
}

/* Its init waits for it, and nobody else can; it has no second thread that might not be confined. */
static int see_parentage(const struct look *look)
{
    const struct sandbox *sandbox = look->sandbox;
    if (atoi(line_of(look->status, "PPid")) != sandbox->init || atoi(line_of(look->status, "Threads")) != 1)
        return -1;
    return 0;
}

static int cannot_look(struct sandbox *sandbox)
{
    return fail(&sandbox->failure, is_exhaustion(errno) ? STAGE_RESOURCES : STAGE_OBSERVATION, NULL);
}

int observe(struct spawner *spawner, struct sandbox *sandbox, pid_t pid, const struct report *parked)
{
    struct look look = {.spawner = spawner, .sandbox = sandbox, .parked = parked, .pid = pid};
    char path[24];
    snprintf(path, sizeof(path), "%d", pid);
    autoclose int directory = openat(spawner->proc, path, O_DIRECTORY | O_CLOEXEC);
    look.directory = directory;
    if (directory < 0 || read_file_at(directory, "status", look.status, sizeof(look.status)) < 0 ||
        read_file_at(directory, "cgroup", look.cgroup, sizeof(look.cgroup)) < 0)
        return cannot_look(sandbox);
    if ((sandbox->nest || sandbox->within || sandbox->policy->portable) && see_parentage(&look)) {
        errno = ECHILD;
        return fail(&sandbox->failure, STAGE_OBSERVATION, NULL);
    }
    bool unlimited = !(spawner->cgroups.controllers & 1u << LAYER_MEMORY);
    if (unlimited && (sandbox->policy->allow_weaker & 1u << LAYER_MEMORY) && open_watched(spawner, sandbox, pid))
        return cannot_look(sandbox);
    for (size_t layer = 0; layer < LAYER_COUNT; layer++) {
        sandbox->enforced[layer] = SEE[layer](&look);
        if (judge(sandbox, (enum layer)layer, &sandbox->enforced[layer]))
            return -1;
    }
    if (sandbox->nest && adopt_parked(sandbox, pid_inside(line_of(look.status, "NSpid"))))
        return fail(&sandbox->failure, STAGE_RESOURCES, NULL);
    return 0;
}
