/* What each sandbox mounts for itself in its copy of the maker's tree: scratch space, /proc with what it must not tell
 * covered, and writable directories under the owner's name. Runs in init, with the spawner's privileges, before
 * anything hostile exists. */
#include "sandbox/internal.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sandbox/disk.h"
#include "sandbox/mounts.h"

const char *target_of(const struct mount_entry *entry, char out[PATH_LIMIT + 1])
{
    memcpy(out, entry->target.data, entry->target.length);
    out[entry->target.length] = 0;
    return out;
}

static int make_scratch_directory(const char *path, const struct mount_entry *entry, const struct identity *identity)
{
    /* Shared ones (sticky) belong to root inside, the others to the step. */
    uid_t owner = entry->mode & S_ISVTX ? identity->root : identity->step;
    return mkdir(path, entry->mode) || chown(path, owner, owner) ? -1 : 0;
}

static bool is_below(struct bytes target, const char *directory)
{
    size_t length = strlen(directory);
    return target.length > length && !memcmp(target.data, directory, length) && target.data[length] == '/';
}

/* Sources and files of the maker's, scratch space and overlays; but for what lies in an overlay that is still to come.
 */
bool is_brought_up(const struct define *policy, const struct mount_entry *entry, const char *directory)
{
    bool mounted = has_source(entry) || entry->kind == MOUNT_FILE || entry->kind == MOUNT_SCRATCH;
    if (!mounted || !is_below(entry->target, directory))
        return false;
    const struct mount_entry *around = overlay_around(policy, entry);
    return !around || !is_below(around->target, directory);
}

/* An empty copy of itself: what has served under another name must not be found by it. */
static int hide_place(const char *path, bool directory)
{
    autoclose int cover = clone_mount(AT_FDCWD, directory ? COVERS "/directory" : COVERS "/file", false);
    return cover < 0 ? -1 : attach_mount(cover, AT_FDCWD, path);
}

static int bring_up(const struct define *policy, const struct mount_entry *entry, int mount, dev_t device)
{
    char path[PATH_LIMIT + 1];
    struct stat source;
    autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fstat(mount, &source))
        return -1;
    autoclose int target = open_target(root, device, target_of(entry, path), S_ISDIR(source.st_mode), 0755);
    if (target < 0 || attach_mount(mount, target, ""))
        return -1;
    return overlay_around(policy, entry) ? hide_place(place_of(policy, entry, path), S_ISDIR(source.st_mode)) : 0;
}

int attach_over(const struct define *policy, int mount, const char *path)
{
    char place[PATH_LIMIT + 1];
    int below[MOUNT_LIMIT];
    for (size_t i = 0; i < policy->mount_count; i++) {
        const struct mount_entry *other = &policy->mounts[i];
        below[i] = -1;
        if (!is_brought_up(policy, other, path))
            continue;
        below[i] = clone_mount(AT_FDCWD, place_of(policy, other, place), true);
        if (below[i] < 0 && !(other->optional && errno == ENOENT))
            return -1;
    }
    struct stat ours;
    if (attach_mount(mount, AT_FDCWD, path) || stat(path, &ours))
        return -1;
    for (size_t i = 0; i < policy->mount_count; i++) {
        if (below[i] < 0)
            continue;
        if (bring_up(policy, &policy->mounts[i], below[i], ours.st_dev))
            return -1;
        close(below[i]);
    }
    return 0;
}

static bool has_overlays(const struct define *policy)
{
    for (size_t i = 0; i < policy->mount_count; i++) {
        if (is_overlay(&policy->mounts[i]))
            return true;
    }
    return false;
}

static int new_scratch(const struct define *policy)
{
    char options[96];
    snprintf(options, sizeof(options), "mode=0755,size=%llu,nr_inodes=%llu", (unsigned long long)policy->scratch_bytes,
             (unsigned long long)policy->scratch_inodes);
    return new_tmpfs(options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

/* One file system, so that one limit holds for all that a step can write. It stands on the first scratch target while
 * the directories are taken from it, and stays there, covered by the first of them: an unmount would wait for an RCU
 * grace period. */
static int take_scratch(struct sandbox_start *start, int scratch, int *taken)
{
    const struct define *policy = start->policy;
    char stand[PATH_LIMIT + 1], path[PATH_LIMIT + 32];
    bool standing = false;
    for (size_t i = 0; i < policy->mount_count; i++) {
        const struct mount_entry *entry = &policy->mounts[i];
        if (entry->kind != MOUNT_SCRATCH)
            continue;
        if (!standing) {
            target_of(entry, stand);
            if (attach_mount(scratch, AT_FDCWD, stand))
                return -1;
            standing = true;
        }
        snprintf(path, sizeof(path), "%s/%zu", stand, i);
        if (make_scratch_directory(path, entry, &start->identity))
            return -1;
        taken[i] = clone_mount(AT_FDCWD, path, false);
        if (taken[i] < 0 || (entry->no_exec && set_mount(taken[i], "", MOUNT_ATTR_NOEXEC, 0, false)))
            return -1;
    }
    if (!has_overlays(policy))
        return 0;
    errno = EINVAL;
    if (!standing || make_overlays(start, stand, taken))
        return -1;
    if (policy->session)
        start->scratch = open(stand, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return policy->session && start->scratch < 0 ? -1 : 0;
}

static int attach_taken(const struct define *policy, size_t which, int mount)
{
    const struct mount_entry *entry = &policy->mounts[which];
    char path[PATH_LIMIT + 1];
    if (entry->kind == MOUNT_ROOT)
        return attach_root(policy, entry, mount);
    /* An overlay that lies in another was brought to its target with that one, as what is below it. */
    return attach_over(policy, mount,
                       entry->kind == MOUNT_OVERLAY ? target_of(entry, path) : place_of(policy, entry, path));
}

/* In the policy's order: what comes later lies on top. */
static int mount_scratch(struct sandbox_start *start, int scratch, char failed[PATH_LIMIT + 1])
{
    const struct define *policy = start->policy;
    int taken[MOUNT_LIMIT];
    failed[0] = 0;
    if (take_scratch(start, scratch, taken))
        return -1;
    for (size_t i = 0; i < policy->mount_count; i++) {
        if (policy->mounts[i].kind != MOUNT_SCRATCH && !is_overlay(&policy->mounts[i]))
            continue;
        if (taken[i] < 0)
            continue; /* optional, and not there */
        target_of(&policy->mounts[i], failed);
        if (attach_taken(policy, i, taken[i]))
            return -1;
        close(taken[i]);
    }
    return 0;
}

/* The directory as the maker mounted it, with the owner's id shown as the step's: what the step writes belongs to the
 * owner, and what belongs to others stays out of its reach. -1 with errno 0: it is good as it is. */
static int clone_as_owner(const struct mount_entry *entry, const char *path, int idmap)
{
    int copy = clone_mount(AT_FDCWD, path, true);
    if (copy < 0 || !idmap_mount(copy, idmap))
        return copy;
    /* A file system without idmapped mounts: what may only be read is then read by the rights of others. */
    int error = errno != EINVAL ? errno : entry->kind == MOUNT_READ_ONLY ? 0 : EOPNOTSUPP;
    close(copy);
    errno = error;
    return -1;
}

/* Each comes over what the maker has at its place, which stays covered: nobody inside can ever unmount, and an unmount
 * would wait for an RCU grace period. All are copied before the first one is placed: an outer one shows the inner ones
 * by its own owner's name, and nothing is shown so twice. */
static int mount_as_owner(const struct sandbox_start *start, char path[PATH_LIMIT + 1])
{
    const struct define *policy = start->policy;
    int copies[MOUNT_LIMIT];
    for (size_t i = 0; i < policy->mount_count; i++) {
        copies[i] = -1;
        if (!is_idmapped(&policy->mounts[i]) || start->idmaps[i] < 0)
            continue;
        copies[i] = clone_as_owner(&policy->mounts[i], place_of(policy, &policy->mounts[i], path), start->idmaps[i]);
        if (copies[i] < 0 && errno != 0)
            return -1;
        close(start->idmaps[i]);
    }
    for (size_t i = 0; i < policy->mount_count; i++) {
        if (copies[i] < 0)
            continue;
        if (attach_mount(copies[i], AT_FDCWD, place_of(policy, &policy->mounts[i], path)))
            return -1;
        close(copies[i]);
    }
    return 0;
}

/* What kind each entry has, the maker has seen: a bind that fails would wait for an RCU grace period. */
static int cover(const struct sandbox_start *start)
{
    char path[PATH_LIMIT + 1];
    for (size_t i = 0; i < start->policy->cover_count; i++) {
        if (start->covers[i] == COVER_NOTHING)
            continue;
        const struct bytes *target = &start->policy->cover[i];
        memcpy(path, target->data, target->length);
        path[target->length] = 0;
        if (mount(start->covers[i] == COVER_FILE ? COVERS "/file" : COVERS "/directory", path, NULL, MS_BIND, NULL))
            return -1;
    }
    return 0;
}

/* Where the maker had to keep the host's /proc (build_tree), the new one covers it: nobody inside can ever unmount, and
 * an unmount here would wait for an RCU grace period. */
static int mount_proc(const struct sandbox_start *start)
{
    autoclose int proc = new_proc(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY);
    return proc < 0 || attach_mount(proc, AT_FDCWD, "/proc") ? -1 : cover(start);
}

/* Each mount of devpts is one of its own: no number in it is a terminal of anybody else. Whoever opens a terminal owns
 * it; the kernel has some 3,000 for all sandboxes together. */
static int mount_terminals(void)
{
    autoclose int terminals = new_devpts("mode=0600,ptmxmode=0666,max=32", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    return terminals < 0 ? -1 : attach_mount(terminals, AT_FDCWD, "/dev/pts");
}

int mount_contents(struct sandbox_start *start, struct failure *failure)
{
    char path[PATH_LIMIT + 1];
    if (mount_as_owner(start, path))
        return fail(failure, STAGE_MOUNT_SOURCE, path);
    autoclose int scratch = start->disk ? new_disk(start->disk, failure) : new_scratch(start->policy);
    if (scratch < 0)
        return start->disk ? -1 : fail_layer(failure, LAYER_MOUNT);
    if (start->disk)
        close_disk(start->disk);
    if (mount_scratch(start, scratch, path))
        return has_overlays(start->policy) ? fail(failure, STAGE_MOUNT_TARGET, path) : fail_layer(failure, LAYER_MOUNT);
    /* A session whose commands may never ask for one is good without. */
    if (start->policy->terminal && mount_terminals() && !start->policy->session)
        return fail(failure, STAGE_MOUNT_TARGET, "/dev/pts");
    return carry_out_rules(start, failure);
}

int mount_own_proc(const struct sandbox_start *start, struct failure *failure)
{
    return mount_proc(start) ? fail_layer(failure, LAYER_MOUNT) : 0;
}
