/* What a step has open besides stdin, stdout and stderr. Runs in the spawner, when the app's Start comes.
 *
 * A descriptor that can only read is no promise: by /proc/self/fd a file is opened anew, with the rights of whoever
 * opens it. A step may be the file's owner (without a leased identity it has the app's own uid), or everybody may write
 * to it; and modes, times and attributes are changed by a descriptor of any kind. A mount that is read-only refuses all
 * of that, whoever asks. So what the step gets is the same file opened through a mount of its own, in no mount tree,
 * which the kernel keeps, flags and all, for as long as that descriptor or one made of it is open.
 *
 * A mount is copied only within one's own mount namespace. The spawner has that of the app, over which an ordinary user
 * has no power; and to leave it for one of its own would keep later mounts of the host's from policies. So a process
 * that shares memory and descriptors with us, and lives for a moment, makes the copy of the namespace, finds the file
 * there by its path, and makes sure that it is the same. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sandbox/mounts.h"

static char paths[FURTHER_LIMIT][PATH_LIMIT + 1]; /* of the files that are to be read-only */

struct replacement {
    const struct start *start;
    int *descriptors;
    size_t done;
    int error;
};

static int open_in_proc(int descriptor)
{
    char link[32];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
    return open(link, O_RDONLY | O_CLOEXEC);
}

/* A descriptor of the same file in the mount namespace that is ours now; -1. A path that has become another file's
 * meanwhile, or that leads through a symbolic link by now, is refused. */
static int find_again(int descriptor, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int found = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    struct stat wanted, status;
    if (found < 0)
        return -1;
    if (!fstat(descriptor, &wanted) && !fstat(found, &status) && wanted.st_dev == status.st_dev &&
        wanted.st_ino == status.st_ino)
        return found;
    close(found);
    errno = ESTALE;
    return -1;
}

static int open_read_only(int descriptor, const char *path)
{
    static const uint64_t ATTRIBUTES = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    int found = find_again(descriptor, path), opened = -1;
    int mount = found < 0 ? -1 : clone_mount(found, "", false);
    if (mount >= 0 && !set_mount(mount, "", ATTRIBUTES, 0, false))
        opened = open_in_proc(mount);
    int error = errno;
    close_descriptor(&found);
    close_descriptor(&mount);
    errno = error;
    return opened;
}

static int replace_all(struct replacement *replacement)
{
    const struct start *start = replacement->start;
    if (unshare(CLONE_NEWNS))
        return -1;
    for (; replacement->done < start->further_count; replacement->done++) {
        int *descriptor = &replacement->descriptors[replacement->done];
        if (start->further[replacement->done] != FURTHER_READ_ONLY_FILE)
            continue;
        int opened = open_read_only(*descriptor, paths[replacement->done]);
        if (opened < 0)
            return -1;
        close(*descriptor);
        *descriptor = opened;
    }
    return 0;
}

/* It shares our table of descriptors and our memory: what it did is done when it has gone. Returning is its end,
 * without what exit() does. */
static int replace_in_child(void *data)
{
    struct replacement *replacement = data;
    replacement->error = replace_all(replacement) ? errno : 0;
    return 0;
}

static int make_read_only(const struct start *start, int *descriptors, struct failure *failure)
{
    static _Alignas(16) uint8_t stack[32 << 10];
    struct replacement replacement = {.start = start, .descriptors = descriptors};
    pid_t child = clone(replace_in_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES, &replacement);
    if (child < 0)
        return fail(failure, STAGE_RESOURCES, NULL);
    while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR) {
    }
    if (replacement.error == 0)
        return 0;
    errno = replacement.error;
    return fail(failure, is_exhaustion(errno) ? STAGE_RESOURCES : STAGE_FURTHER, paths[replacement.done]);
}

static int read_path(int descriptor, char path[PATH_LIMIT + 1])
{
    char link[32];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_LIMIT + 1);
    errno = length > PATH_LIMIT ? ENAMETOOLONG : errno;
    path[length < 0 || length > PATH_LIMIT ? 0 : length] = 0;
    return path[0] ? 0 : -1;
}

/* Each is what it is said to be, or it could be a socket, by which descriptors leave the step (src/policy/reuse.ts);
 * and a pipe is about to be given another owner. */
static bool is_of_kind(int descriptor, uint32_t kind)
{
    struct stat status;
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || (flags & O_PATH) || fstat(descriptor, &status))
        return false;
    if (kind == FURTHER_TREE_SOCKET)
        return S_ISSOCK(status.st_mode);
    if (kind == FURTHER_OUTPUT_PIPE)
        return S_ISFIFO(status.st_mode) && (flags & O_ACCMODE) == O_WRONLY;
    return S_ISREG(status.st_mode) && (kind == FURTHER_FILE || (flags & O_ACCMODE) == O_RDONLY);
}

int take_further(const struct start *start, int *descriptors, struct failure *failure)
{
    bool any = false;
    for (size_t i = 0; i < start->further_count; i++) {
        if (!is_of_kind(descriptors[i], start->further[i]))
            return errno = EINVAL, fail(failure, STAGE_FURTHER, NULL);
        if (start->further[i] != FURTHER_READ_ONLY_FILE)
            continue;
        if (read_path(descriptors[i], paths[i]))
            return fail(failure, STAGE_FURTHER, NULL);
        any = true;
    }
    return any ? make_read_only(start, descriptors, failure) : 0;
}
