/* The id maps of a new user namespace. Written from outside of it, by a process of its parent namespace that may set
 * ids there. */
#include "sandbox/internal.h"

#include <stdio.h>

int map_ids(int process, const char *uid_map, const char *gid_map, bool deny_groups)
{
    if (deny_groups && write_file_at(process, "setgroups", "deny") && errno != EPERM)
        return -1; /* EPERM: an outer namespace has denied it already, for all below it */
    return write_file_at(process, "gid_map", gid_map) || write_file_at(process, "uid_map", uid_map) ? -1 : 0;
}

/* A zygote's namespace: its root is 0, and all that the sandboxes below it may be given has the number that it has
 * outside; but the app's own, which is 0 there, has one that no other has. It may set none of them: it has not the
 * capability. */
static void write_zygote_map(char *out, size_t size, const struct identity *identity, const struct id_range *ids,
                             uint32_t own)
{
    if (!identity->leased) {
        snprintf(out, size, "0 %u 1\n", identity->root);
        return;
    }
    uint32_t before = identity->root - ids->start, after = ids->count - before - 1;
    int length = snprintf(out, size, "0 %u 1\n", identity->root);
    if (before > 0)
        length += snprintf(out + length, size - (size_t)length, "%u %u %u\n", ids->start, ids->start, before);
    if (after > 0)
        length +=
            snprintf(out + length, size - (size_t)length, "%u %u %u\n", identity->root + 1, identity->root + 1, after);
    if (own > 0)
        snprintf(out + length, size - (size_t)length, "%u 0 1\n", own);
}

/* The step's id, and 0 for init where there is a second id to give it. */
int map_sandbox_ids(const struct define *policy, int process, const struct identity *identity,
                    const struct id_range *ids, uint32_t own)
{
    char maps[2][128];
    uint32_t inside[] = {policy->uid, policy->gid};
    for (size_t i = 0; i < 2; i++) {
        if (policy->zygote) {
            write_zygote_map(maps[i], sizeof(maps[i]), identity, ids, own);
            continue;
        }
        int length = snprintf(maps[i], sizeof(maps[i]), "%u %u 1\n", inside[i], identity->step);
        if (identity->leased && inside[i] != 0)
            snprintf(maps[i] + length, sizeof(maps[i]) - (size_t)length, "0 %u 1\n", identity->root);
    }
    return map_ids(process, maps[0], maps[1], !identity->leased);
}
