/* Directories of the host that a step may change for itself: a layer of the sandbox's scratch space lies over them, and
 * takes what is written. Runs in init, with the maker's privileges. The layer below is what the maker has mounted at
 * the target, read-only, with the owner's id shown as the step's where that can be done. */
#include "sandbox/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>

#include "sandbox/mounts.h"

/* What the directory itself looks like is the upper one's word. */
static int make_layers(const struct sandbox_start *start, const struct stat *lower, const char *upper, const char *work)
{
    uid_t owner = start->identity.step;
    return mkdir(upper, 0700) || chmod(upper, lower->st_mode & 01777) || chown(upper, owner, owner) || mkdir(work, 0700)
               ? -1
               : 0;
}

/* Nothing that is written leads anywhere else: no redirected directories, no files that have but their attributes
 * above. Who may not write the kernel's own attributes keeps notes in those of users, and steps cannot reach them
 * there. Of the layer below only the directory that we stand in is named: what its path is called means nothing.
 * Volatile: nobody mounts these layers again, and otherwise the last process that ends waits until all that was
 * written is on a disk from which it is then thrown away. */
static int new_layers(bool privileged, const char *upper, const char *work)
{
    const char *const trusted[][2] = {{"source", "overlay"}, {"lowerdir", "."},   {"upperdir", upper},
                                      {"workdir", work},     {"volatile", NULL},  {"index", "off"},
                                      {"xino", "off"},       {"metacopy", "off"}, {"redirect_dir", "nofollow"},
                                      {NULL, NULL}};
    const char *const users[][2] = {{"source", "overlay"}, {"lowerdir", "."},   {"upperdir", upper},
                                    {"workdir", work},     {"volatile", NULL},  {"index", "off"},
                                    {"xino", "off"},       {"userxattr", NULL}, {NULL, NULL}};
    return new_filesystem("overlay", privileged ? trusted : users, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

/* One directory of the upper layer that looks as it does below, or as a new one. */
static int make_way(const struct sandbox_start *start, int upper, int lower, const char *name)
{
    struct stat status;
    mode_t mode = lower >= 0 && !fstatat(lower, name, &status, AT_SYMLINK_NOFOLLOW) ? status.st_mode & 01777 : 0755;
    if (mkdirat(upper, name, mode))
        return errno == EEXIST ? 0 : -1;
    return fchownat(upper, name, start->identity.step, start->identity.step, AT_SYMLINK_NOFOLLOW);
}

/* For what will be mounted at `path` in the overlay and finds no place there. In the layer below nothing may be made,
 * and by way of the overlay only where its owner is known here. A link on the way is left to whoever mounts it. */
static int make_place(const struct sandbox_start *start, int upper, char *path, bool directory)
{
    autoclose int above = fcntl(upper, F_DUPFD_CLOEXEC, 0);
    autoclose int below = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char *saved, *name = strtok_r(path, "/", &saved);
    for (char *next; name; name = next) {
        struct stat status;
        next = strtok_r(NULL, "/", &saved);
        bool is_there = below >= 0 && !fstatat(below, name, &status, AT_SYMLINK_NOFOLLOW);
        if (is_there && (!next || !S_ISDIR(status.st_mode)))
            return 0;
        if (!next && !directory)
            return mknodat(above, name, S_IFREG | 0444, 0) && errno != EEXIST ? -1 : 0;
        if (make_way(start, above, below, name))
            return -1;
        int above_next = openat(above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int below_next = is_there ? openat(below, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        close_descriptor(&above);
        close_descriptor(&below);
        above = above_next;
        below = below_next;
        if (above < 0)
            return -1;
    }
    return 0;
}

static int make_places(const struct sandbox_start *start, const struct mount_entry *overlay, const char *path)
{
    char around[PATH_LIMIT + 1], target[PATH_LIMIT + 1], place[PATH_LIMIT + 1];
    autoclose int upper = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (overlay->kind == MOUNT_ROOT)
        around[0] = 0;
    else
        target_of(overlay, around);
    for (size_t i = 0; upper >= 0 && i < start->policy->mount_count; i++) {
        const struct mount_entry *entry = &start->policy->mounts[i];
        struct stat status;
        if (entry == overlay || !is_brought_up(start->policy, entry, around))
            continue;
        if (stat(place_of(start->policy, entry, place), &status)) /* an optional one */
            continue;
        target_of(entry, target);
        if (make_place(start, upper, target + strlen(around), S_ISDIR(status.st_mode)))
            return -1;
    }
    return upper < 0 ? -1 : 0;
}

/* For the app: by the time that it keeps changes, another directory may stand at the path of this one. */
static int note_original(const struct stat *lower, const char *place)
{
    char note[64], path[PATH_LIMIT + 64];
    snprintf(note, sizeof(note), "%llu:%llu", (unsigned long long)lower->st_dev, (unsigned long long)lower->st_ino);
    snprintf(path, sizeof(path), "%s/original", place);
    return symlink(note, path);
}

static int make_overlay(const struct sandbox_start *start, const struct mount_entry *entry, const char *place)
{
    char target[PATH_LIMIT + 1], upper[PATH_LIMIT + 64], work[PATH_LIMIT + 64];
    struct stat lower;
    snprintf(upper, sizeof(upper), "%s/upper", place);
    snprintf(work, sizeof(work), "%s/work", place);
    if (mkdir(place, 0700) || chdir(place_of(start->policy, entry, target)) || stat(".", &lower) ||
        note_original(&lower, place) || make_layers(start, &lower, upper, work) || make_places(start, entry, upper))
        return -1;
    return new_layers(start->privileged, upper, work);
}

int make_overlays(const struct sandbox_start *start, const char *stand, int *made)
{
    char place[PATH_LIMIT + 32];
    for (size_t i = 0; i < start->policy->mount_count; i++) {
        const struct mount_entry *entry = &start->policy->mounts[i];
        if (!is_overlay(entry))
            continue;
        made[i] = -1;
        snprintf(place, sizeof(place), "%s/%zu", stand, i);
        made[i] = make_overlay(start, entry, place);
        if (made[i] < 0)
            return -1;
    }
    return chdir("/");
}

static int attach_root_entry(const struct define *policy, const char *at, const char *name)
{
    char from[2 * PATH_LIMIT + 2], to[PATH_LIMIT + 2];
    struct stat source, target;
    snprintf(from, sizeof(from), "%s/%s", at, name);
    snprintf(to, sizeof(to), "/%s", name);
    /* Links are there already; what the maker has not made a place for is the sandbox's own. */
    if (!strcmp(to, at) || lstat(from, &source) || lstat(to, &target) ||
        (source.st_mode & S_IFMT) != (target.st_mode & S_IFMT) || S_ISLNK(source.st_mode))
        return 0;
    autoclose int mount = clone_mount(AT_FDCWD, from, false);
    return mount < 0 ? -1 : attach_over(policy, mount, to);
}

int attach_root(const struct define *policy, const struct mount_entry *entry, int overlay)
{
    char at[PATH_LIMIT + 1];
    if (attach_mount(overlay, AT_FDCWD, target_of(entry, at)))
        return -1;
    DIR *directory = opendir(at);
    int failed = directory ? 0 : -1;
    for (const struct dirent *name; !failed && (name = readdir(directory));) {
        if (!is_made_anew(name->d_name))
            failed = attach_root_entry(policy, at, name->d_name);
    }
    int error = errno;
    if (directory)
        closedir(directory);
    errno = error;
    if (failed)
        return -1;
    autoclose int cover = clone_mount(AT_FDCWD, COVERS "/directory", false); /* it has served */
    return cover < 0 ? -1 : attach_mount(cover, AT_FDCWD, at);
}
