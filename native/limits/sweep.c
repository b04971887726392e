/* Removes the cgroups that a dead spawner left behind. Runs in the spawner at its start, only for records whose lock
 * nobody holds. */
#include "limits/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>

static void kill_members(int directory)
{
    char list[65536];
    if (!write_file_at(directory, "cgroup.kill", "1") ||
        read_file_at(directory, "cgroup.procs", list, sizeof(list)) < 0)
        return;
    for (char *saved, *entry = strtok_r(list, "\n", &saved); entry; entry = strtok_r(NULL, "\n", &saved)) {
        pid_t pid = (pid_t)strtol(entry, NULL, 10);
        if (pid > 1)
            kill(pid, SIGKILL);
    }
}

static bool remove_patiently(int parent, const char *name)
{
    for (int tries = 0; tries < 200; tries++) {
        if (!unlinkat(parent, name, AT_REMOVEDIR) || errno == ENOENT)
            return true;
        if (errno != EBUSY)
            return false;
        usleep(5000);
    }
    return false;
}

/* Whatever the depth: those of a session's commands lie below its own. */
static void sweep_below(int parent)
{
    int again = openat(parent, ".", O_DIRECTORY | O_CLOEXEC);
    DIR *directory = again < 0 ? NULL : fdopendir(again);
    if (!directory)
        close_descriptor(&again);
    for (const struct dirent *entry; directory && (entry = readdir(directory));) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        autoclose int child = openat(parent, entry->d_name, O_DIRECTORY | O_CLOEXEC);
        if (child < 0)
            continue;
        kill_members(child);
        sweep_below(child);
        remove_patiently(parent, entry->d_name);
    }
    if (directory)
        closedir(directory);
}

bool sweep_cgroup(const char *path)
{
    struct statfs system;
    autoclose int directory = open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return errno == ENOENT;
    /* A record may lie where others can write, and what they put there kills nobody. */
    if (fstatfs(directory, &system) || (system.f_type != CGROUP_SUPER_MAGIC && system.f_type != CGROUP2_SUPER_MAGIC))
        return true;
    sweep_below(directory);
    return remove_patiently(AT_FDCWD, path);
}
