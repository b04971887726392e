/* Processes keep a cgroup from having controllers for its children. Where the app's own cgroup holds nothing but the
 * app and its relatives (a service that was given its cgroup, with the shell that started it and the app's other
 * workers), all of them move into a leaf beside the sandboxes, as systemd asks of those to whom it delegates. Runs in
 * the spawner at its start. */
#include "limits/find.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MOST_MEMBERS = 2048, LIST_SIZE = 32768, ROUNDS = 8 };

struct members {
    pid_t pids[MOST_MEMBERS], parents[MOST_MEMBERS];
    size_t count;
};

static pid_t parent_of(pid_t pid)
{
    char path[32], text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0)
        return -1;
    const char *after_name = strrchr(text, ')'); /* a name may hold anything, the last parenthesis is the kernel's */
    int parent = -1;
    return after_name && sscanf(after_name + 1, " %*c %d", &parent) == 1 ? parent : -1;
}

static int read_members(const char *base, struct members *members)
{
    char path[640], list[LIST_SIZE];
    snprintf(path, sizeof(path), "%s/cgroup.procs", base);
    ssize_t length = read_file_at(AT_FDCWD, path, list, sizeof(list));
    members->count = 0;
    if (length < 0)
        return -1;
    for (char *saved, *entry = strtok_r(list, "\n", &saved); entry; entry = strtok_r(NULL, "\n", &saved)) {
        if (members->count == MOST_MEMBERS)
            return -1;
        pid_t pid = (pid_t)strtol(entry, NULL, 10);
        members->pids[members->count] = pid;
        members->parents[members->count++] = parent_of(pid);
    }
    return 0;
}

/* The first of its ancestors, or itself, whose own parent is not in the cgroup. */
static pid_t eldest(const struct members *members, pid_t pid)
{
    for (size_t steps = 0; steps < members->count; steps++) {
        size_t i = 0;
        while (i < members->count && members->pids[i] != pid)
            i++;
        if (i == members->count)
            return 0;
        bool inside = false;
        for (size_t j = 0; j < members->count; j++)
            inside = inside || members->pids[j] == members->parents[i];
        if (!inside)
            return pid;
        pid = members->parents[i];
    }
    return 0;
}

/* Pid 0 is what the kernel shows of a process outside of our pid namespace: it is out of reach. One that has ended in
 * the meantime is nobody's. */
static bool may_move(const struct members *members)
{
    pid_t ours = eldest(members, getpid());
    for (size_t i = 0; i < members->count; i++) {
        if (members->pids[i] == 0)
            return false;
        if (members->parents[i] >= 0 && eldest(members, members->pids[i]) != ours)
            return false;
    }
    return true;
}

static int move_all(const char *leaf, const struct members *members)
{
    char path[640], pid[16];
    snprintf(path, sizeof(path), "%s/cgroup.procs", leaf);
    for (size_t i = 0; i < members->count; i++) {
        snprintf(pid, sizeof(pid), "%d", members->pids[i]);
        if (write_file_at(AT_FDCWD, path, pid) && errno != ESRCH)
            return -1;
    }
    return 0;
}

int make_room(const char *base)
{
    static struct members members;
    char leaf[600];
    snprintf(leaf, sizeof(leaf), "%s/" LEAF, base);
    /* What was forked by one that had its turn later is found in the next round. */
    for (int round = 0; round < ROUNDS; round++) {
        if (read_members(base, &members))
            return -1;
        if (members.count == 0)
            return 0;
        if (!may_move(&members)) {
            errno = EBUSY;
            return -1;
        }
        if ((mkdir(leaf, 0755) && errno != EEXIST) || move_all(leaf, &members))
            return -1;
    }
    errno = EBUSY;
    return -1;
}
