/* Finds where this spawner may make cgroups on v2: below the app's own cgroup, above it only where that is not
 * possible. Runs in the spawner at its start. */
#include "limits/find.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* What cannot be had here is no error: what came of it, controllers_of tells. */
static int enable(const char *directory)
{
    static const char *const WANTED[] = {"+memory", "+pids", "+cpu"};
    char path[640];
    snprintf(path, sizeof(path), "%s/cgroup.subtree_control", directory);
    for (size_t i = 0; i < LENGTH(WANTED); i++) {
        /* ENOENT: not delegated to this cgroup. EINVAL: not in this kernel. */
        if (write_file_at(AT_FDCWD, path, WANTED[i]) && errno != ENOENT && errno != EINVAL)
            return -1;
    }
    return 0;
}

static uint32_t controllers_of(const char *directory)
{
    static const struct {
        const char *name;
        enum layer layer;
    } CONTROLLERS[] = {{"memory", LAYER_MEMORY}, {"pids", LAYER_PROCESSES}, {"cpu", LAYER_CPU}};
    char path[640], list[512];
    uint32_t found = 0;
    snprintf(path, sizeof(path), "%s/cgroup.subtree_control", directory);
    if (read_file_at(AT_FDCWD, path, list, sizeof(list)) < 0)
        return 0;
    for (size_t i = 0; i < LENGTH(CONTROLLERS); i++)
        found |= has_word(list, CONTROLLERS[i].name, " \n") ? 1u << CONTROLLERS[i].layer : 0;
    return found;
}

/* The first reason is that of the app's own cgroup, which is the one to mend. */
static int refuse(struct cgroups *all, const char *base, const char *why)
{
    if (!all->reason[0])
        snprintf(all->reason, sizeof(all->reason), "%.160s: %.80s", base, why);
    return -1;
}

static void forget_parent(struct cgroups *all)
{
    close_descriptor(&all->parents[0]);
    rmdir(all->paths[0]);
    all->paths[0][0] = 0;
    all->controllers = 0;
}

enum move { MOVE_NOBODY, MOVE_RELATIVES };

static int try_v2(struct cgroups *all, const char *base, uint64_t instance, enum move move)
{
    if (enable(base)) {
        bool occupied = errno == EBUSY;
        if (!occupied || move == MOVE_NOBODY)
            return refuse(all, base, occupied ? "it holds processes" : strerror(errno));
        if (make_room(base))
            return refuse(all, base, errno == EBUSY ? "it holds processes of others" : strerror(errno));
        if (enable(base))
            return refuse(all, base, strerror(errno));
    }
    if (!(controllers_of(base) & 1u << LAYER_MEMORY))
        return refuse(all, base, "the memory controller is not delegated to it");
    if (open_parent(all, 0, base, instance))
        return refuse(all, base, strerror(errno));
    int error = enable(all->paths[0]) ? errno : 0;
    all->controllers = controllers_of(all->paths[0]);
    if (!error && all->controllers & 1u << LAYER_MEMORY) {
        all->reason[0] = 0;
        return 0;
    }
    forget_parent(all);
    return refuse(all, base, strerror(error ? error : EBUSY));
}

/* Where an earlier spawner has moved the app, its cgroup is the one above. */
static void leave_leaf(char *base)
{
    size_t length = strlen(base), leaf = strlen("/" LEAF);
    if (length > leaf && !strcmp(base + length - leaf, "/" LEAF))
        base[length - leaf] = 0;
}

static int search(struct cgroups *all, const char *point, char *base, uint64_t instance)
{
    leave_leaf(base);
    for (enum move move = MOVE_RELATIVES;; move = MOVE_NOBODY) {
        if (!try_v2(all, base, instance, move))
            return 0;
        char *slash = strrchr(base, '/');
        if (!strcmp(base, point) || !slash || slash == base)
            return -1;
        *slash = 0; /* the next one up: only root gets that far, and it is recorded where the sandboxes are */
    }
}

void open_v2(struct cgroups *all, const char *point, const char *own, const struct configure *configure)
{
    const struct bytes *parent = &configure->cgroup_parent;
    char base[512];
    int found;
    if (parent->length > 0) {
        snprintf(base, sizeof(base), "%.*s", (int)parent->length, (const char *)parent->data);
        found = try_v2(all, base, configure->instance, MOVE_NOBODY);
    } else {
        snprintf(base, sizeof(base), "%s", own);
        found = search(all, point, base, configure->instance);
    }
    all->version = found == 0 ? 2 : 0;
}
