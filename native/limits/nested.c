/* Cgroups below one of ours: those of the commands of a session, which its own limits bound together. Runs in the
 * spawner. */
#include "limits/cgroup_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* On v2 a cgroup has either processes or children with controllers: init gets a child of its own. */
static const char OWN[] = "init";

static int enable(const struct cgroups *all)
{
    static const struct {
        enum layer layer;
        const char *word;
    } CONTROLLERS[] = {{LAYER_MEMORY, "+memory"}, {LAYER_PROCESSES, "+pids"}, {LAYER_CPU, "+cpu"}};
    for (size_t i = 0; i < LENGTH(CONTROLLERS); i++) {
        if (all->controllers & 1u << CONTROLLERS[i].layer &&
            write_file_at(all->parents[0], "cgroup.subtree_control", CONTROLLERS[i].word))
            return -1;
    }
    return 0;
}

int open_nested(struct cgroups *out, const struct cgroups *all, const struct cgroup *cgroup, int *own)
{
    *out = (struct cgroups){.version = all->version,
                            .controllers = all->controllers,
                            .reusable = all->reusable,
                            .idle = 1, /* a keeper is not in it */
                            .parents = {-1, -1, -1, -1}};
    *own = -1;
    for (size_t i = 0; i < HIERARCHIES; i++) {
        if (all->parents[i] < 0)
            continue;
        int length = snprintf(out->paths[i], sizeof(out->paths[i]), "%s/%s", all->paths[i], cgroup->name);
        errno = ENAMETOOLONG;
        if (length < 0 || (size_t)length >= sizeof(out->paths[i]))
            return -1;
        out->parents[i] = openat(all->parents[i], cgroup->name, O_DIRECTORY | O_CLOEXEC);
        if (out->parents[i] < 0)
            return -1;
    }
    if (all->version != 2)
        return 0;
    if (enable(out) || mkdirat(out->parents[0], OWN, 0755))
        return -1;
    *own = openat(out->parents[0], OWN, O_DIRECTORY | O_CLOEXEC);
    return *own < 0 ? -1 : 0;
}

void close_nested(struct cgroups *nested, int *own)
{
    remove_stale(nested);
    if (nested->version == 2 && nested->parents[0] >= 0)
        unlinkat(nested->parents[0], OWN, AT_REMOVEDIR);
    close_descriptor(own);
    for (size_t i = 0; i < HIERARCHIES; i++)
        close_descriptor(&nested->parents[i]);
}
