/* The spawner where no namespace can be had: whether that is so, the directory of the scratch spaces, and what is
 * looked at there again and again. Runs in the spawner. */
#include "spawner/spawner.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "sandbox/files.h"

/* Everything that a sandbox is made of must work, or none of it is of use. */
static const uint32_t NEEDED[] = {
    PROBE_USER_NAMESPACE, PROBE_PID_NAMESPACE,    PROBE_MOUNT_NAMESPACE, PROBE_NET_NAMESPACE, PROBE_IPC_NAMESPACE,
    PROBE_UTS_NAMESPACE,  PROBE_CGROUP_NAMESPACE, PROBE_PROC_MOUNT,      PROBE_TMPFS_MOUNT,   PROBE_PIVOT_ROOT};

bool lacks_namespaces(struct spawner *spawner)
{
    if (spawner->no_user_namespace.stage || spawner->namespaces_tried)
        return spawner->no_user_namespace.stage || spawner->lacks_namespaces;
    spawner->namespaces_tried = true;
    for (size_t i = 0; i < LENGTH(NEEDED) && !spawner->lacks_namespaces; i++)
        spawner->lacks_namespaces = !can_be_done(spawner, NEEDED[i]);
    return spawner->lacks_namespaces;
}

/* Identities can be given by who may set ids, whatever else it may not. */
static bool may_lease(const struct configure *configure)
{
    char map[256];
    unsigned inside, outside, count;
    if (configure->uid_count < 2 ||
        !has_capabilities(1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_CHOWN | 1u << CAP_SETPCAP) ||
        read_file_at(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) < 0)
        return false;
    return sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && inside <= configure->uid_start &&
           (uint64_t)configure->uid_start + configure->uid_count <= (uint64_t)inside + count;
}

void do_without_namespaces(struct spawner *spawner, const struct failure *failure)
{
    spawner->no_user_namespace = *failure;
    spawner->leases = may_lease(&spawner->configure);
    spawner->id_start = spawner->configure.uid_start;
    spawner->id_count = spawner->configure.uid_count;
}

/* ------------------------------------------------------------ scratch space */

static const char *scratch_path_of(const struct spawner *spawner, uint64_t instance, char out[PATH_LIMIT + 1])
{
    snprintf(out, PATH_LIMIT + 1, "%s/spawn-sandbox-%016llx", spawner->scratch_directory, (unsigned long long)instance);
    return out;
}

int make_scratch_directory(struct spawner *spawner, char path[PATH_LIMIT + 1], struct failure *failure)
{
    scratch_path_of(spawner, spawner->configure.instance, path);
    if (spawner->has_scratch_directory)
        return 0;
    if (mkdir(path, 0711) || chmod(path, 0711))
        return fail(failure, STAGE_CONFIGURE, path);
    spawner->has_scratch_directory = true;
    return 0;
}

/* What is left of it: nothing where all came to their ends. Its name is made of the number alone, whatever a record
 * says. */
void remove_scratch_directory(const struct spawner *spawner, uint64_t instance)
{
    struct problem problem;
    struct stat status;
    char path[PATH_LIMIT + 1];
    const char *name = strrchr(scratch_path_of(spawner, instance, path), '/') + 1;
    autoclose int all = open(spawner->scratch_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (all >= 0 && !fstatat(all, name, &status, AT_SYMLINK_NOFOLLOW) && status.st_uid == geteuid() &&
        S_ISDIR(status.st_mode))
        remove_whole(all, name, &problem);
}

void leave_scratch_directory(const struct spawner *spawner)
{
    if (spawner->has_scratch_directory)
        remove_scratch_directory(spawner, spawner->configure.instance);
}

/* ------------------------------------------------------------ processes */

/* 0: they are somebody else's, or of another user namespace, where they are counted apart, or have gone. */
static uint32_t own_threads_of(const struct spawner *spawner, const char *pid)
{
    char path[32], text[2048];
    unsigned uid, threads;
    int proc = spawner->proc;
    struct stat namespace;
    snprintf(path, sizeof(path), "%.15s/ns/user", pid);
    if (!fstatat(proc, path, &namespace, 0) && namespace.st_ino != spawner->own_namespaces[NS_USER])
        return 0;
    snprintf(path, sizeof(path), "%.15s/status", pid);
    if (read_file_at(proc, path, text, sizeof(text)) < 0)
        return 0;
    /* Of the lines only the first one has a name that a process chooses. */
    const char *ids = strstr(text, "\nUid:"), *count = strstr(text, "\nThreads:");
    bool read = ids && count && sscanf(ids, "\nUid: %u", &uid) == 1 && sscanf(count, "\nThreads: %u", &threads) == 1;
    return read && uid == getuid() ? threads : 0;
}

/* The kernel counts for the user whom app and step are, whoever of them it was. */
uint32_t count_own_threads(const struct spawner *spawner)
{
    int copy = openat(spawner->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *processes = copy < 0 ? NULL : fdopendir(copy);
    uint32_t count = 0;
    for (const struct dirent *entry; processes && (entry = readdir(processes));) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            count += own_threads_of(spawner, entry->d_name);
    }
    if (processes)
        closedir(processes);
    return count;
}
