/* Finds where this spawner may make cgroups: below the app's own cgroup, never above it without need, never in
 * another's place. Runs in the spawner at its start, with the app's rights (or as root of a user namespace: then the
 * app's own rights on files). */
#include "limits/find.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { TABLE_SIZE = 1 << 20 };

static const char *const V1_NAMES[HIERARCHIES] = {"memory", "pids", "cpu", "cpuacct"};

static char *read_table(const char *path)
{
    char *text = malloc(TABLE_SIZE);
    if (text && read_file_at(AT_FDCWD, path, text, TABLE_SIZE) < 0)
        text[0] = 0;
    return text;
}

bool has_word(const char *list, const char *word, const char *separators)
{
    size_t length = strlen(word);
    for (const char *at = list; *at; at += strspn(at, separators)) {
        size_t span = strcspn(at, separators);
        if (span == length && !memcmp(at, word, length))
            return true;
        at += span;
        if (!*at)
            break;
    }
    return false;
}

/* The path in /proc/self/cgroup of the hierarchy with this controller; "" is v2. */
static bool own_path(const char *table, const char *controller, char *out, size_t size)
{
    for (const char *line = table; *line;) {
        size_t length = strcspn(line, "\n");
        const char *names = memchr(line, ':', length);
        const char *path = names ? memchr(names + 1, ':', length - (size_t)(names + 1 - line)) : NULL;
        if (path) {
            char list[128];
            snprintf(list, sizeof(list), "%.*s", (int)(path - names - 1), names + 1);
            if (*controller ? has_word(list, controller, ",") : list[0] == 0) {
                snprintf(out, size, "%.*s", (int)(length - (size_t)(path + 1 - line)), path + 1);
                return true;
            }
        }
        line += length + (line[length] == '\n');
    }
    return false;
}

/* The mount point of the hierarchy, by /proc/self/mountinfo: root, mount point, and after " - " type, source, options.
 */
static bool find_mount(const char *table, const char *controller, char *root, char *point, size_t size)
{
    for (const char *line = table; *line;) {
        size_t length = strcspn(line, "\n");
        char copy[2048], type[32], options[256], from[512], on[512];
        snprintf(copy, sizeof(copy), "%.*s", (int)length, line);
        const char *tail = strstr(copy, " - ");
        if (tail && sscanf(copy, "%*s %*s %*s %511s %511s", from, on) == 2 &&
            sscanf(tail, " - %31s %*s %255s", type, options) == 2) {
            bool fits =
                *controller ? !strcmp(type, "cgroup") && has_word(options, controller, ",") : !strcmp(type, "cgroup2");
            if (fits) {
                snprintf(root, size, "%s", from);
                snprintf(point, size, "%s", on);
                return true;
            }
        }
        line += length + (line[length] == '\n');
    }
    return false;
}

static bool locate(const char *mounts, const char *own, const char *controller, char *out, size_t size)
{
    char root[512], point[512], path[512];
    if (!own_path(own, controller, path, sizeof(path)) || !find_mount(mounts, controller, root, point, sizeof(root)))
        return false;
    const char *below = path;
    size_t length = strlen(root);
    if (length > 1 && !strncmp(path, root, length))
        below += length;
    snprintf(out, size, "%s%s", point, strcmp(below, "/") ? below : "");
    return true;
}

static int open_place(char *path, size_t size, const char *base, uint64_t instance)
{
    int length = snprintf(path, size, "%s/spawn-sandbox-%016llx", base, (unsigned long long)instance);
    if (length < 0 || (size_t)length >= size || (mkdir(path, 0755) && errno != EEXIST)) {
        path[0] = 0;
        return -1;
    }
    return open(path, O_DIRECTORY | O_CLOEXEC);
}

int open_parent(struct cgroups *all, size_t which, const char *base, uint64_t instance)
{
    all->parents[which] = open_place(all->paths[which], sizeof(all->paths[which]), base, instance);
    return all->parents[which] < 0 ? -1 : 0;
}

/* Without it, standing still is done by signals. Kernels before 5.2 have no freezing on v2. */
static void open_freezer(struct cgroups *all, const char *base, uint64_t instance)
{
    all->freezer = open_place(all->freezer_path, sizeof(all->freezer_path), base, instance);
    if (all->freezer >= 0 && faccessat(all->freezer, "cgroup.freeze", W_OK, 0))
        close_descriptor(&all->freezer);
}

static void open_v1(struct cgroups *all, const char *mounts, const char *own, uint64_t instance)
{
    static const uint32_t GIVES[HIERARCHIES] = {1u << LAYER_MEMORY, 1u << LAYER_PROCESSES, 1u << LAYER_CPU, 0};
    for (size_t i = 0; i < HIERARCHIES; i++) {
        char base[512];
        if (!locate(mounts, own, V1_NAMES[i], base, sizeof(base))) {
            snprintf(all->reason, sizeof(all->reason), "the cgroup controller %s is not mounted", V1_NAMES[i]);
        } else if (open_parent(all, i, base, instance)) {
            snprintf(all->reason, sizeof(all->reason), "%.180s: %s", base, strerror(errno));
        } else {
            all->controllers |= GIVES[i];
        }
    }
    all->version = all->controllers ? 1 : 0;
    all->reusable = true; /* max_usage_in_bytes can be written */
}

/* Also where v2 has not (or was not given) the memory controller, unless v1 has it: then a hybrid host is told from a
 * container whose engine keeps it back. */
static bool is_v2(const char *mounts, char *point, size_t size)
{
    char root[512], unused[512], path[600], list[512];
    if (!find_mount(mounts, "", root, point, size))
        return false;
    snprintf(path, sizeof(path), "%s/cgroup.controllers", point);
    if (read_file_at(AT_FDCWD, path, list, sizeof(list)) > 0 && has_word(list, "memory", " \n"))
        return true;
    return !find_mount(mounts, "memory", root, unused, sizeof(unused));
}

void open_cgroups(struct cgroups *all, const struct configure *configure)
{
    *all = (struct cgroups){.parents = {-1, -1, -1, -1}, .idle = 2, .freezer = -1};
    char *mounts = read_table("/proc/self/mountinfo");
    char *own = read_table("/proc/self/cgroup");
    char point[512], base[512];
    if (!mounts || !own)
        snprintf(all->reason, sizeof(all->reason), "out of memory");
    else if (is_v2(mounts, point, sizeof(point)) && locate(mounts, own, "", base, sizeof(base)))
        open_v2(all, point, base, configure);
    else
        open_v1(all, mounts, own, configure->instance);
    if (mounts && own && all->version != 2 && locate(mounts, own, "", base, sizeof(base)))
        open_freezer(all, base, configure->instance);
    free(mounts);
    free(own);
}

bool remove_cgroups(struct cgroups *all)
{
    bool removed = true;
    for (size_t i = 0; i < HIERARCHIES; i++) {
        close_descriptor(&all->parents[i]);
        if (all->paths[i][0] && !sweep_cgroup(all->paths[i]))
            removed = false;
    }
    close_descriptor(&all->freezer);
    return (!all->freezer_path[0] || sweep_cgroup(all->freezer_path)) && removed;
}
