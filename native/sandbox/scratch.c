/* Where the scratch space of a policy can be looked at, and whether it is used up. Used by init and by the spawner,
 * each with its own rights: what is looked at is a file system that only the kernel describes. */
#include <linux/magic.h>

#include "sandbox/disk.h"
#include "sandbox/internal.h"

struct bytes scratch_target(const struct define *policy)
{
    for (size_t i = 0; i < policy->mount_count; i++) {
        if (policy->mounts[i].kind == MOUNT_SCRATCH)
            return policy->mounts[i].target;
    }
    return (struct bytes){0};
}

bool is_used_up(const struct statfs *space)
{
    /* On a disk there is some more than was asked for: within that, what was asked for has been used. */
    uint64_t slack = space->f_type == EXT4_SUPER_MAGIC ? DISK_SLACK / (uint64_t)space->f_bsize : 0;
    return (space->f_blocks > 0 && space->f_bavail <= slack) || (space->f_files > 0 && space->f_ffree == 0);
}

bool is_own_scratch_full(const struct define *policy)
{
    char path[PATH_LIMIT + 1];
    struct bytes target = scratch_target(policy);
    struct statfs space;
    memcpy(path, target.data ? (const void *)target.data : "", target.length);
    path[target.length] = 0;
    return !statfs(path, &space) && is_used_up(&space);
}
