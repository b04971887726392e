/* Builds what a step of one policy sees: an empty tmpfs, filled as the policy lists it, made the root.
 * Runs in the maker, once per policy, with the privileges of the spawner. Paths come from the app (trusted); every
 * source is opened before the first thing is mounted, so that nothing that is mounted can change what a later source
 * means. */
#include "sandbox/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sandbox/mounts.h"

static const char *text_of(struct bytes bytes, char out[PATH_LIMIT + 1])
{
    memcpy(out, bytes.data ? (const void *)bytes.data : "", bytes.length);
    out[bytes.length] = 0;
    return out;
}

bool is_overlay(const struct mount_entry *entry)
{
    return !entry->missing && (entry->kind == MOUNT_OVERLAY || entry->kind == MOUNT_ROOT);
}

bool has_source(const struct mount_entry *entry)
{
    return is_overlay(entry) || (!entry->missing && (entry->kind == MOUNT_READ_ONLY || entry->kind == MOUNT_WRITABLE ||
                                                     entry->kind == MOUNT_DEVICE));
}

bool is_idmapped(const struct mount_entry *entry)
{
    return has_source(entry) &&
           (entry->kind == MOUNT_WRITABLE || is_overlay(entry) || (entry->kind == MOUNT_READ_ONLY && entry->as_owner));
}

/* What everybody may read needs no owner's rights, and what in it is closed to others (the shadow file of an /etc that
 * somebody mounts) stays closed. What only its owner may enter was shared on purpose, or it would be of no use. */
bool others_may_read(const struct stat *status)
{
    mode_t needed = S_ISDIR(status->st_mode) ? S_IROTH | S_IXOTH : S_IROTH;
    return (status->st_mode & needed) == needed;
}

static bool lies_below(const struct bytes *target, const struct bytes *around)
{
    return target->length > around->length && !memcmp(target->data, around->data, around->length) &&
           target->data[around->length] == '/';
}

const struct mount_entry *overlay_around(const struct define *policy, const struct mount_entry *entry)
{
    const struct mount_entry *innermost = NULL;
    for (size_t i = 0; i < policy->mount_count; i++) {
        const struct mount_entry *other = &policy->mounts[i];
        if (other->kind == MOUNT_OVERLAY && !other->missing && lies_below(&entry->target, &other->target) &&
            (!innermost || other->target.length > innermost->target.length))
            innermost = other;
    }
    return innermost;
}

const char *place_of(const struct define *policy, const struct mount_entry *entry, char out[PATH_LIMIT + 1])
{
    if (!overlay_around(policy, entry))
        return text_of(entry->target, out);
    snprintf(out, PATH_LIMIT + 1, COVERS "/%zu", (size_t)(entry - policy->mounts));
    return out;
}

static uint64_t attributes_of(const struct mount_entry *entry)
{
    switch (entry->kind) {
    case MOUNT_READ_ONLY:
    case MOUNT_OVERLAY: /* the layer below */
    case MOUNT_ROOT:
        return MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    case MOUNT_DEVICE:
        return MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    default:
        return MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    }
}

static int open_sources(struct define *policy, int *sources, struct failure *failure)
{
    char path[PATH_LIMIT + 1];
    for (size_t i = 0; i < policy->mount_count; i++) {
        struct mount_entry *entry = &policy->mounts[i];
        sources[i] = -1;
        if (!has_source(entry))
            continue;
        text_of(entry->source, path);
        sources[i] = clone_mount(AT_FDCWD, path, true);
        entry->missing = sources[i] < 0 && errno == ENOENT && entry->optional;
        if (entry->missing)
            continue;
        if (sources[i] < 0 || set_mount(sources[i], "", attributes_of(entry), 0, true))
            return fail(failure, STAGE_MOUNT_SOURCE, path);
    }
    return 0;
}

/* Opens `path` within root, symlinks resolved within root. Missing parts are made, but only in the tmpfs that is ours:
 * a missing directory below a mount of the host's stays missing, or the host would find it afterwards. */
int open_target(int root, dev_t device, const char *path, bool directory, mode_t mode)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int found = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    if (found >= 0 || errno != ENOENT)
        return found;
    char parent[PATH_LIMIT + 1];
    snprintf(parent, sizeof(parent), "%s", path);
    char *slash = strrchr(parent, '/');
    if (!slash || !slash[1] || !strcmp(slash + 1, "..") || !strcmp(slash + 1, ".")) {
        errno = EINVAL;
        return -1;
    }
    *slash = 0;
    autoclose int within =
        slash == parent ? fcntl(root, F_DUPFD_CLOEXEC, 0) : open_target(root, device, parent, true, 0755);
    struct stat status;
    if (within < 0 || fstat(within, &status))
        return -1;
    if (status.st_dev != device) {
        errno = EROFS;
        return -1;
    }
    if (directory && mkdirat(within, slash + 1, mode))
        return -1;
    if (!directory && mknodat(within, slash + 1, S_IFREG | mode, 0))
        return -1;
    return openat(within, slash + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static int make_file(int root, dev_t device, const struct mount_entry *entry, const char *path)
{
    autoclose int target = open_target(root, device, path, false, entry->mode);
    struct stat status;
    if (target < 0 || fstat(target, &status))
        return -1;
    if (!S_ISREG(status.st_mode) || status.st_dev != device) {
        errno = EEXIST;
        return -1;
    }
    char link[32];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", target);
    autoclose int fd = open(link, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    for (size_t done = 0; done < entry->content.length;) {
        ssize_t n = write(fd, entry->content.data + done, entry->content.length - done);
        if (n < 0)
            return -1;
        done += (size_t)n;
    }
    return 0;
}

static int make_symlink(int root, dev_t device, const struct mount_entry *entry, char *path)
{
    char content[PATH_LIMIT + 1];
    if (entry->content.length > PATH_LIMIT) {
        errno = ENAMETOOLONG;
        return -1;
    }
    text_of(entry->content, content);
    char *slash = strrchr(path, '/');
    *slash = 0;
    autoclose int within =
        slash == path ? fcntl(root, F_DUPFD_CLOEXEC, 0) : open_target(root, device, path, true, 0755);
    *slash = '/';
    return within < 0 ? -1 : symlinkat(content, within, slash + 1);
}

/* A node of its own instead of a mount, where the root may hold devices (build_tree) and a container permits to make
 * one. */
static int make_device(int root, dev_t device, const struct stat *source, char *path)
{
    char *slash = strrchr(path, '/');
    *slash = 0;
    autoclose int within = open_target(root, device, path, true, 0755);
    *slash = '/';
    if (within < 0 || mknodat(within, slash + 1, source->st_mode, source->st_rdev))
        return -1;
    return fchmodat(within, slash + 1, source->st_mode & 07777, 0);
}

/* The kernel's and the sandbox's own; a root's are not looked at. What covers things is ours above all. */
bool is_made_anew(const char *name)
{
    static const char *const NAMES[] = {".", "..", "proc", "sys", "dev", "tmp", &COVERS[1], ".root"};
    for (size_t i = 0; i < LENGTH(NAMES); i++) {
        if (!strcmp(name, NAMES[i]))
            return true;
    }
    return false;
}

/* A place for what there is on top of a root: the sandbox's own root is ours, and nobody writes to it. */
static int make_skeleton_entry(int root, int source, const char *name)
{
    struct stat status;
    char content[PATH_LIMIT + 1];
    if (fstatat(source, name, &status, AT_SYMLINK_NOFOLLOW))
        return -1;
    if (S_ISDIR(status.st_mode))
        return mkdirat(root, name, 0755);
    if (S_ISREG(status.st_mode))
        return mknodat(root, name, S_IFREG | 0444, 0);
    if (!S_ISLNK(status.st_mode))
        return 0;
    ssize_t length = readlinkat(source, name, content, sizeof(content));
    if (length < 0 || (size_t)length == sizeof(content))
        return -1;
    content[length] = 0;
    return symlinkat(content, root, name);
}

static int make_skeleton(int root, int source)
{
    enum { MOST = 1024 };
    int copy = openat(source, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), left = MOST, failed = 0;
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    if (!directory)
        return -1;
    errno = 0;
    for (const struct dirent *entry; !failed && (entry = readdir(directory));) {
        if (is_made_anew(entry->d_name))
            continue;
        failed = left-- == 0 || (make_skeleton_entry(root, source, entry->d_name) && errno != EEXIST);
    }
    int error = left < 0 ? E2BIG : errno;
    closedir(directory);
    errno = error;
    return failed ? -1 : 0;
}

static int place(const struct tree *tree, int root, dev_t device, const struct mount_entry *entry, int source,
                 char *path)
{
    if (entry->kind == MOUNT_SYMLINK)
        return make_symlink(root, device, entry, path);
    if (entry->kind == MOUNT_FILE)
        return make_file(root, device, entry, path);
    if (entry->missing)
        return 0;
    struct stat status = {.st_mode = S_IFDIR};
    if (source >= 0 && fstat(source, &status))
        return -1;
    if (is_overlay(entry) && !S_ISDIR(status.st_mode)) {
        errno = ENOTDIR;
        return -1;
    }
    if (entry->kind == MOUNT_ROOT && make_skeleton(root, source))
        return -1;
    if (entry->kind == MOUNT_DEVICE && tree->privileged && !make_device(root, device, &status, path))
        return 0;
    mode_t mode = entry->kind == MOUNT_DIRECTORY ? entry->mode : 0755;
    autoclose int target = open_target(root, device, path, S_ISDIR(status.st_mode), mode);
    if (target < 0)
        return -1;
    return source < 0 ? 0 : attach_mount(source, target, "");
}

static int fill(const struct define *policy, const struct tree *tree, int root, const int *sources,
                struct failure *failure)
{
    char path[PATH_LIMIT + 1];
    struct stat status;
    if (fstat(root, &status))
        return fail(failure, STAGE_MOUNT_TARGET, "/");
    for (size_t i = 0; i < policy->mount_count; i++) {
        place_of(policy, &policy->mounts[i], path);
        if (place(tree, root, status.st_dev, &policy->mounts[i], sources[i], path))
            return fail(failure, STAGE_MOUNT_TARGET, path);
    }
    return 0;
}

/* Empty stand-ins that cover entries of /proc. */
static int make_covers(int root)
{
    /* Relative to root: an absolute path would mean the host's. */
    autoclose int covers = mkdirat(root, &COVERS[1], 0755) && errno != EEXIST
                               ? -1
                               : openat(root, &COVERS[1], O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return covers < 0 || mkdirat(covers, "directory", 0555) || mknodat(covers, "file", S_IFREG | 0444, 0) ? -1 : 0;
}

/* The kernel lets a user namespace mount a new procfs only where it can already see one whole: without host privileges
 * the host's stays in the tree, and every init covers it with its own before anything else runs. With them the tree has
 * none. */
static int keep_proc(int root, dev_t device, const struct tree *tree, const struct define *policy)
{
    autoclose int target = open_target(root, device, "/proc", true, 0555);
    if (target < 0 || (tree->privileged && !policy->below))
        return target < 0 ? -1 : 0;
    /* For a zygote's user namespace a whole one is enough, and the maker's own has nothing mounted over it. */
    autoclose int proc = tree->privileged ? new_proc(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
                                          : clone_mount(AT_FDCWD, "/proc", true);
    return proc < 0 ? -1 : attach_mount(proc, target, "");
}

static int enter(int root)
{
    if (fchdir(root) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
        return -1;
    return mount_setattr_at(AT_FDCWD, "/", MOUNT_ATTR_RDONLY, 0, false);
}

static void see_covers(const struct define *policy, struct tree *tree)
{
    char path[PATH_LIMIT + 1];
    for (size_t i = 0; i < policy->cover_count; i++) {
        struct stat status;
        text_of(policy->cover[i], path);
        tree->covers[i] = stat(path, &status) ? COVER_NOTHING : S_ISDIR(status.st_mode) ? COVER_DIRECTORY : COVER_FILE;
    }
}

/* For id maps and the limits in sys/user. With the host's privileges a procfs of the maker's own: container engines
 * show /proc/sys read-only, and what they mean to protect by that, the maker's filter and mount tree keep from the
 * steps. */
static int open_proc(bool privileged)
{
    int own = privileged ? new_proc(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC) : -1;
    return own >= 0 ? own : open("/proc", O_DIRECTORY | O_CLOEXEC);
}

int build_tree(struct define *policy, struct tree *tree, struct failure *failure)
{
    tree->proc = open_proc(tree->privileged);
    if (tree->proc < 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return fail_layer(failure, LAYER_MOUNT);
    int sources[MOUNT_LIMIT];
    see_covers(policy, tree);
    if (open_sources(policy, sources, failure))
        return -1;
    /* With the host's privileges the few devices are nodes of this tmpfs, which nobody inside can write to. */
    autoclose int root =
        new_tmpfs("mode=0755,size=16m,nr_inodes=16384", MOUNT_ATTR_NOSUID | (tree->privileged ? 0 : MOUNT_ATTR_NODEV));
    /* Any directory does to stand on: it is covered in this namespace only, and all sources are open already. */
    if (root < 0 || attach_mount(root, AT_FDCWD, "/usr") || fill(policy, tree, root, sources, failure))
        return failure->stage ? -1 : fail_layer(failure, LAYER_MOUNT);
    struct stat status;
    if (fstat(root, &status) || keep_proc(root, status.st_dev, tree, policy) || make_covers(root) || enter(root))
        return fail_layer(failure, LAYER_MOUNT);
    for (size_t i = 0; i < policy->mount_count; i++)
        close_descriptor(&sources[i]);
    tree->device = status.st_dev;
    tree->inode = status.st_ino;
    return 0;
}
