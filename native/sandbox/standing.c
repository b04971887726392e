/* Has everything that runs in a session stand still: by putting it into a frozen cgroup or, where there is none, by
 * stopping it. Runs in the session's init, which alone can name what runs here: a number that is used again still names
 * something of this sandbox. What is to stand still is hostile: it forks, and wakes each other, as long as it can.
 *
 * Who is in a frozen cgroup has his children there. Who has been sent SIGSTOP runs none of his code before he stops,
 * but one that has not been can wake him. So it is looked again and again until nobody is found who is not as he should
 * be, twice in a row: numbers can wrap around, and one look could pass by who forks at just that moment. */
#include "sandbox/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { MOST_PIDS = 1 << 22, CLEAN_LOOKS = 2 };
static const uint64_t MOST_NS = 2000000000, PAUSE_US = 200;

/* One bit a process; what is not touched takes no memory. */
typedef uint64_t pid_set[MOST_PIDS / 64];
static pid_set in_freezer, stopped_before;

static bool *still; /* shared with the keepers */

static void put(pid_set set, pid_t pid, bool in)
{
    uint64_t bit = (uint64_t)1 << pid % 64;
    set[pid / 64] = in ? set[pid / 64] | bit : set[pid / 64] & ~bit;
}

static bool has(const pid_set set, pid_t pid)
{
    return set[pid / 64] >> pid % 64 & 1;
}

int prepare_standing(void)
{
    void *page = mmap(NULL, sizeof(*still), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    still = page == MAP_FAILED ? NULL : page;
    return still ? 0 : -1;
}

bool stands_still(void)
{
    return *still;
}

/* Behind a name that may hold anything. */
int read_stat(int directory, const char *file, struct process_stat *out)
{
    char text[512];
    if (read_file_at(directory, file, text, sizeof(text)) < 0)
        return -1;
    const char *end = strrchr(text, ')');
    return end && sscanf(end + 1, " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld", &out->state,
                         &out->parent, &out->flags, &out->threads) == 4
               ? 0
               : -1;
}

bool is_exiting(int proc, pid_t pid)
{
    enum { PF_EXITING = 4 };
    char path[24];
    struct process_stat stat;
    snprintf(path, sizeof(path), "%d/stat", pid);
    if (read_stat(proc, path, &stat))
        return errno == ENOENT || errno == ESRCH; /* it has ended, and somebody has been told */
    return stat.flags & PF_EXITING;
}

/* Only its first thread can be waited for while others run; that counts, too. */
static bool is_dead(const struct process_stat *stat)
{
    return stat->threads == 0 || (stat->threads == 1 && (stat->state == 'Z' || stat->state == 'X'));
}

typedef bool look_fn(pid_t pid, int directory, const struct process_stat *stat, int members);

/* Whether all but the keepers, who are init's only children, are as they should be; -1: that cannot be told. */
static int look_at_all(look_fn *look, int members)
{
    DIR *processes = opendir("/proc");
    if (!processes)
        return -1;
    int result = 1;
    for (const struct dirent *entry; (entry = readdir(processes));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        struct process_stat stat;
        if (pid <= 1 || pid >= MOST_PIDS)
            continue;
        autoclose int directory = openat(dirfd(processes), entry->d_name, O_DIRECTORY | O_CLOEXEC);
        if (directory < 0 || read_stat(directory, "stat", &stat)) {
            if (is_exhaustion(errno))
                result = -1;
            continue; /* it has just ended */
        }
        if (stat.parent != 1 && !look(pid, directory, &stat, members) && result == 1)
            result = 0;
    }
    closedir(processes);
    return result;
}

/* ------------------------------------------------------------ by a freezer */

static int read_members(int members)
{
    char text[4096];
    size_t kept = 0;
    memset(in_freezer, 0, sizeof(in_freezer));
    if (lseek(members, 0, SEEK_SET))
        return -1;
    for (ssize_t got; (got = read(members, text + kept, sizeof(text) - 1 - kept)) != 0;) {
        if (got < 0)
            return -1;
        char *at = text;
        size_t length = kept + (size_t)got;
        text[length] = 0;
        for (char *end; (end = strchr(at, '\n')); at = end + 1) {
            pid_t pid = (pid_t)strtol(at, NULL, 10);
            if (pid > 0 && pid < MOST_PIDS)
                put(in_freezer, pid, true);
        }
        kept = length - (size_t)(at - text);
        memmove(text, at, kept);
    }
    return 0;
}

static bool put_into_freezer(pid_t pid, int directory, const struct process_stat *stat, int members)
{
    (void)directory;
    if (has(in_freezer, pid) || is_dead(stat))
        return true;
    dprintf(members, "%d", pid);
    return false;
}

/* ------------------------------------------------------------ by signals */

/* One that waits in the kernel and cannot be disturbed stops before it leaves it. */
static bool is_at_rest(char state)
{
    return strchr("TtZXD", state) != NULL;
}

/* Of a process of which all but the first thread runs, only that one's state stands in `stat`. */
static bool rest_all(int directory)
{
    int tasks = openat(directory, "task", O_DIRECTORY | O_CLOEXEC);
    DIR *threads = tasks < 0 ? NULL : fdopendir(tasks);
    if (!threads) {
        close_descriptor(&tasks);
        return errno == ENOENT || errno == ESRCH;
    }
    bool rest = true;
    for (const struct dirent *entry; (entry = readdir(threads));) {
        char path[32];
        struct process_stat stat;
        snprintf(path, sizeof(path), "%.15s/stat", entry->d_name);
        if (entry->d_name[0] != '.' && !read_stat(dirfd(threads), path, &stat) && !is_at_rest(stat.state))
            rest = false;
    }
    closedir(threads);
    return rest;
}

static bool note_stopped(pid_t pid, int directory, const struct process_stat *stat, int members)
{
    (void)directory;
    (void)members;
    put(stopped_before, pid, stat->state == 'T');
    return true;
}

static bool stop(pid_t pid, int directory, const struct process_stat *stat, int members)
{
    (void)members;
    if (is_dead(stat) || (is_at_rest(stat->state) && stat->state != 'D' && rest_all(directory)))
        return true;
    put(stopped_before, pid, false);
    kill(pid, SIGSTOP);
    return stat->state == 'D' && rest_all(directory);
}

static bool wake(pid_t pid, int directory, const struct process_stat *stat, int members)
{
    (void)directory;
    (void)stat;
    (void)members;
    if (!has(stopped_before, pid))
        kill(pid, SIGCONT);
    return true;
}

/* ------------------------------------------------------------ both */

int stand_still(int members)
{
    uint64_t deadline = monotonic_ns() + MOST_NS;
    if (members < 0 && !*still)
        look_at_all(note_stopped, members);
    *still = true;
    for (int clean = 0; clean < CLEAN_LOOKS;) {
        int rest =
            members >= 0 && read_members(members) ? -1 : look_at_all(members >= 0 ? put_into_freezer : stop, members);
        clean = rest == 1 ? clean + 1 : 0;
        if (rest < 0)
            return -1;
        errno = ETIMEDOUT;
        if (monotonic_ns() > deadline)
            return -1;
        if (rest == 0)
            usleep(PAUSE_US);
    }
    return 0;
}

void go_on(void)
{
    *still = false;
    look_at_all(wake, -1);
}
