/* Configure: what this spawner may do, where its files are, which cgroups it has; and leaving without a trace.
 * Runs in the spawner with the app's rights. The state directory is shared with other spawners of the same user: what
 * is in it is only believed under its lock. */
#include "spawner/spawner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

/* Makers run from a sealed copy: whatever happens to the file, and whoever reaches /proc/PID/exe, it cannot change. */
static int open_self(void)
{
    struct stat status;
    autoclose int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    autoclose int copy = memfd_create("spawn-sandbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (from < 0 || copy < 0 || fstat(from, &status))
        return -1;
    for (off_t done = 0; done < status.st_size;) {
        ssize_t n = sendfile(copy, from, &done, (size_t)(status.st_size - done));
        if (n <= 0)
            return -1;
    }
    if (fchmod(copy, 0555) || fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return -1;
    /* A descriptor that can write would make execve answer ETXTBSY. */
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", copy);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_state(const char *path, struct failure *failure)
{
    struct stat status;
    if (mkdir(path, 0700) && errno != EEXIST)
        return fail(failure, STAGE_CONFIGURE, path), -1;
    int fd = open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status))
        return fail(failure, STAGE_CONFIGURE, path);
    /* In /tmp somebody else could have made it first. */
    if (status.st_uid != geteuid() || (status.st_mode & 022)) {
        close(fd);
        errno = EPERM;
        return fail(failure, STAGE_CONFIGURE, path);
    }
    return fd;
}

/* What a record is called before it is locked. */
#define UNLOCKED "new-"

/* A record can only name what has its own number. */
static bool is_cgroup_of(const char *path, const char *number)
{
    static const char PREFIX[] = "/spawn-sandbox-";
    const char *name = strrchr(path, '/');
    return path[0] == '/' && !strncmp(name, PREFIX, sizeof(PREFIX) - 1) && !strcmp(name + sizeof(PREFIX) - 1, number);
}

/* A record names the cgroups of one spawner, a line each, and is locked while that spawner lives. */
static void sweep_record(const struct spawner *spawner, const char *name)
{
    int state = spawner->state, end = 0;
    unsigned long long instance;
    autoclose int record = openat(state, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (record < 0 || flock(record, LOCK_EX | LOCK_NB))
        return;
    char text[4096];
    bool swept = true;
    const char *number = strstr(name, "spawner-") + strlen("spawner-");
    bool numbered = sscanf(number, "%16llx%n", &instance, &end) == 1 && end == 16 && !number[16];
    if (numbered && read_descriptor(record, text, sizeof(text)) > 0) {
        for (char *saved, *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved)) {
            if (is_cgroup_of(line, number) && !sweep_cgroup(line))
                swept = false;
        }
    }
    if (numbered)
        remove_scratch_directory(spawner, instance);
    if (swept)
        unlinkat(state, name, 0);
}

static void sweep(struct spawner *spawner)
{
    int copy = openat(spawner->state, ".", O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    if (!directory)
        return;
    for (const struct dirent *entry; (entry = readdir(directory));) {
        const char *name = entry->d_name;
        name += strncmp(name, UNLOCKED, strlen(UNLOCKED)) ? 0 : strlen(UNLOCKED);
        if (!strncmp(name, "spawner-", 8) && strcmp(name, spawner->record_name))
            sweep_record(spawner, entry->d_name);
    }
    closedir(directory);
}

/* The record exists, locked, before the first cgroup does: there is no moment at which a crash leaves something
 * unnamed. It gets its name only when it is locked, or another spawner could take it for a dead one's. One that is not
 * locked yet may be taken for that, and then another is made. */
static int write_record(struct spawner *spawner)
{
    char unlocked[80];
    snprintf(spawner->record_name, sizeof(spawner->record_name), "spawner-%016llx",
             (unsigned long long)spawner->configure.instance);
    for (int tries = 0; tries < 8; tries++) {
        snprintf(unlocked, sizeof(unlocked), UNLOCKED "%s-%d", spawner->record_name, tries);
        int record = openat(spawner->state, unlocked, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (record < 0)
            return -1;
        if (!flock(record, LOCK_EX | LOCK_NB) &&
            !renameat2(spawner->state, unlocked, spawner->state, spawner->record_name, RENAME_NOREPLACE)) {
            spawner->record = record;
            return 0;
        }
        bool was_swept = errno == EWOULDBLOCK || errno == ENOENT;
        close(record);
        if (!was_swept)
            return -1;
    }
    return -1;
}

static int record_cgroups(const struct spawner *spawner)
{
    for (size_t i = 0; i < HIERARCHIES; i++) {
        if (spawner->cgroups.paths[i][0] && dprintf(spawner->record, "%s\n", spawner->cgroups.paths[i]) < 0)
            return -1;
    }
    const char *freezer = spawner->cgroups.freezer_path;
    return freezer[0] && dprintf(spawner->record, "%s\n", freezer) < 0 ? -1 : 0;
}

static int remember_namespaces(struct spawner *spawner)
{
    char path[32];
    struct stat status;
    for (size_t i = 0; i < NAMESPACES; i++) {
        snprintf(path, sizeof(path), "self/ns/%s", NAMESPACE_NAMES[i]);
        if (fstatat(spawner->proc, path, &status, 0))
            return -1;
        spawner->own_namespaces[i] = status.st_ino;
    }
    return 0;
}

static int open_files(struct spawner *spawner, struct failure *failure)
{
    const struct bytes *scratch = &spawner->configure.scratch_directory;
    char path[1025];
    memcpy(spawner->scratch_directory, scratch->data, scratch->length);
    snprintf(path, sizeof(path), "%.*s", (int)spawner->configure.state_directory.length,
             (const char *)spawner->configure.state_directory.data);
    spawner->state = open_state(path, failure);
    if (spawner->state < 0)
        return -1;
    spawner->uid_locks = openat(spawner->state, "uid-locks", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    spawner->proc = open("/proc", O_DIRECTORY | O_CLOEXEC);
    spawner->self = open_self();
    if (spawner->uid_locks < 0 || spawner->proc < 0 || spawner->self < 0 || write_record(spawner))
        return fail(failure, STAGE_CONFIGURE, path);
    return 0;
}

int configure_spawner(struct spawner *spawner, struct bytes body, struct failure *failure)
{
    if (spawner->configured || read_configure(body, &spawner->configure)) {
        errno = EPROTO;
        return fail(failure, STAGE_PROTOCOL, NULL);
    }
    spawner->began_as_root = geteuid() == 0;
    if (open_files(spawner, failure))
        return -1;
    sweep(spawner);
    /* With the app's own rights on files, before a user namespace changes what they mean. */
    open_cgroups(&spawner->cgroups, &spawner->configure);
    spawner->privileged = has_host_privileges();
    spawner->enters_namespaces = may_enter_namespaces();
    if (spawner->privileged) {
        spawner->leases = spawner->configure.uid_count > 1;
        spawner->id_start = spawner->configure.uid_start;
        spawner->id_count = spawner->configure.uid_count;
    } else if (spawner->configure.portable && !can_enter_outer_namespace(failure)) {
        do_without_namespaces(spawner, failure);
    } else if (enter_outer_namespace(spawner, failure)) {
        return -1;
    }
    if (record_cgroups(spawner) || remember_namespaces(spawner) || count_own_filters(spawner))
        return fail(failure, STAGE_CONFIGURE, NULL);
    spawner->configured = true;
    return 0;
}

void leave(struct spawner *spawner)
{
    remove_slots(spawner);
    leave_scratch_directory(spawner);
    /* What is still held stays on record, for the next spawner's sweep. */
    if (remove_cgroups(&spawner->cgroups) && spawner->record >= 0)
        unlinkat(spawner->state, spawner->record_name, 0);
}
