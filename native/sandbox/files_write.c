/* Writing a file, or copying a tree in: made under a name that the app has chosen, beside where it belongs, and given
 * its own name when it is complete. Runs in the step, with its rights. When this process is ended in between, the app
 * has what is left removed. */
#include "sandbox/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

enum { EXCHANGE = 2, NO_REPLACE = 1 }; /* renameat2 */
enum { OVERWRITES = 1, MAKES_PARENTS = 2, KEEPS_MODE = 4 };

static int rename_with(const struct place *place, const char *temporary, unsigned flags)
{
    return (int)syscall(SYS_renameat2, place->parent, temporary, place->parent, place->name, flags);
}

/* Some file systems know no flags. Nobody but the sandbox's own commands could come in between then. */
static int place_new(const struct place *place, const char *temporary)
{
    struct stat status;
    if (!rename_with(place, temporary, NO_REPLACE))
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (!fstatat(place->parent, place->name, &status, AT_SYMLINK_NOFOLLOW))
        return errno = EEXIST, -1;
    return renameat(place->parent, temporary, place->parent, place->name);
}

/* A file or link takes the place of another at once; with a directory on either side the two change places, and what
 * was there before is removed. */
static int place_over(const struct place *place, const char *temporary, const char *path, struct problem *problem)
{
    if (!renameat(place->parent, temporary, place->parent, place->name))
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR && errno != EISDIR)
        return note(problem, CALL_RENAME, path);
    if (rename_with(place, temporary, EXCHANGE)) {
        if (errno != EINVAL && errno != ENOSYS)
            return note(problem, CALL_RENAME, path);
        if (remove_whole(place->parent, place->name, problem))
            return -1;
        if (renameat(place->parent, temporary, place->parent, place->name))
            return note(problem, CALL_RENAME, path);
        return 0;
    }
    return remove_whole(place->parent, temporary, problem);
}

static int give_name(const struct place *place, const char *temporary, bool overwrites, const char *path,
                     struct problem *problem)
{
    if (overwrites)
        return place_over(place, temporary, path, problem);
    return place_new(place, temporary) ? note(problem, CALL_RENAME, path) : 0;
}

/* ------------------------------------------------------------ one file */

static int receive_content(int file, const char *path, struct problem *problem)
{
    struct frame frame;
    for (;;) {
        if (receive_frame(&frame) || frame.kind == FRAME_ENTRY) {
            errno = frame.kind == FRAME_ENTRY ? EPROTO : errno;
            return note(problem, NOT_UNDERSTOOD, path);
        }
        if (frame.kind == FRAME_END)
            return 0;
        if (write_whole(file, frame.payload))
            return note(problem, CALL_WRITE, path);
    }
}

/* Nothing that others may have open, as a fifo or a device would be, is written to: at most a name is taken over. */
static int check_replaced(const struct place *place, const char *path, unsigned flags, mode_t *mode,
                          struct problem *problem)
{
    struct stat status;
    if (fstatat(place->parent, place->name, &status, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : note(problem, CALL_STAT, path);
    errno = EEXIST;
    if (!(flags & OVERWRITES))
        return note(problem, CALL_RENAME, path);
    errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode))
        return note(problem, NOT_A_FILE, path);
    if (flags & KEEPS_MODE && S_ISREG(status.st_mode))
        *mode = status.st_mode & 0777;
    return 0;
}

static int write_temporary(const struct place *place, const char *temporary, mode_t mode, const char *path,
                           struct problem *problem)
{
    autoclose int file =
        openat(place->parent, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
    if (file < 0)
        return note(problem, CALL_OPEN, path);
    if (receive_content(file, path, problem))
        return -1;
    if (fchmod(file, mode))
        return note(problem, CALL_CHMOD, path);
    return close(take_descriptor(&file)) ? note(problem, CALL_WRITE, path) : 0;
}

int write_file(char **words, struct problem *problem)
{
    const char *path = words[0], *temporary = words[1];
    mode_t mode = (mode_t)strtoul(words[2], NULL, 10) & 0777;
    unsigned flags = (unsigned)strtoul(words[3], NULL, 10);
    struct place place;
    if (find_place(path, flags & MAKES_PARENTS, &place, problem) || check_replaced(&place, path, flags, &mode, problem))
        return -1;
    if (!write_temporary(&place, temporary, mode, path, problem) &&
        !give_name(&place, temporary, flags & OVERWRITES, path, problem))
        return 0;
    unlinkat(place.parent, temporary, 0);
    return -1;
}

/* ------------------------------------------------------------ a tree */

struct copy {
    const struct place *place;
    const char *temporary, *path;
    struct problem *problem;
    bool has_root;
    unsigned depth; /* open directories */
    struct {
        int directory;
        mode_t mode;
    } levels[DEPTH_LIMIT];
    int file; /* whose data come; -1: none */
    mode_t mode;
};

/* Only when nothing is made in it any more: it may be that of a directory that cannot be written to. */
static int leave_to(struct copy *copy, unsigned depth)
{
    while (copy->depth > depth) {
        int *directory = &copy->levels[--copy->depth].directory;
        int failed = fchmod(*directory, copy->levels[copy->depth].mode);
        close_descriptor(directory);
        if (failed)
            return note(copy->problem, CALL_CHMOD, copy->path);
    }
    return 0;
}

static int finish_file(struct copy *copy)
{
    if (copy->file < 0)
        return 0;
    if (fchmod(copy->file, copy->mode))
        return note(copy->problem, CALL_CHMOD, copy->path);
    return close(take_descriptor(&copy->file)) ? note(copy->problem, CALL_WRITE, copy->path) : 0;
}

/* For messages: the top has its temporary name still. */
static const char *shown_name(const struct copy *copy, const struct entry *entry)
{
    return entry->depth == 0 ? copy->path : entry->name;
}

static int make_directory(struct copy *copy, int parent, const struct entry *entry, const char *name)
{
    const char *shown = shown_name(copy, entry);
    errno = ELOOP;
    if (copy->depth == DEPTH_LIMIT)
        return note(copy->problem, TOO_DEEP, shown);
    if (mkdirat(parent, name, 0700))
        return note(copy->problem, CALL_MKDIR, shown);
    int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return note(copy->problem, CALL_OPEN, shown);
    copy->levels[copy->depth].directory = directory;
    copy->levels[copy->depth++].mode = entry->mode;
    return 0;
}

static int make_one(struct copy *copy, const struct entry *entry)
{
    errno = EPROTO;
    if (entry->depth == 0 ? copy->has_root : entry->depth > copy->depth)
        return note(copy->problem, NOT_UNDERSTOOD, entry->name);
    if (finish_file(copy) || leave_to(copy, entry->depth))
        return -1;
    int parent = entry->depth == 0 ? copy->place->parent : copy->levels[entry->depth - 1].directory;
    const char *name = entry->depth == 0 ? copy->temporary : entry->name;
    copy->has_root = true;
    copy->mode = entry->mode;
    if (entry->kind == KIND_DIRECTORY)
        return make_directory(copy, parent, entry, name);
    if (entry->kind == KIND_LINK)
        return symlinkat(entry->target, parent, name) ? note(copy->problem, CALL_SYMLINK, shown_name(copy, entry)) : 0;
    copy->file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
    return copy->file < 0 ? note(copy->problem, CALL_OPEN, shown_name(copy, entry)) : 0;
}

static int receive_tree(struct copy *copy)
{
    static struct entry entry;
    struct frame frame;
    while (!receive_frame(&frame)) {
        if (frame.kind == FRAME_END)
            return !copy->has_root     ? (errno = EPROTO, note(copy->problem, NOT_UNDERSTOOD, copy->path))
                   : finish_file(copy) ? -1
                                       : leave_to(copy, 0);
        if (frame.kind == FRAME_ENTRY && !read_entry(frame.payload, &entry)) {
            if (make_one(copy, &entry))
                return -1;
            continue;
        }
        errno = EPROTO;
        if (frame.kind == FRAME_ENTRY || copy->file < 0)
            return note(copy->problem, NOT_UNDERSTOOD, copy->path);
        if (write_whole(copy->file, frame.payload))
            return note(copy->problem, CALL_WRITE, shown_name(copy, &entry));
    }
    return note(copy->problem, NOT_UNDERSTOOD, copy->path);
}

int copy_in(char **words, struct problem *problem)
{
    static struct problem unused;
    unsigned flags = (unsigned)strtoul(words[2], NULL, 10);
    struct place place;
    struct stat status;
    struct copy copy = {.place = &place, .temporary = words[1], .path = words[0], .problem = problem, .file = -1};
    if (find_place(words[0], flags & MAKES_PARENTS, &place, problem))
        return -1;
    errno = EEXIST;
    if (!(flags & OVERWRITES) && !fstatat(place.parent, place.name, &status, AT_SYMLINK_NOFOLLOW))
        return note(problem, CALL_RENAME, words[0]);
    if (!receive_tree(&copy) && !give_name(&place, copy.temporary, flags & OVERWRITES, words[0], problem))
        return 0;
    if (copy.has_root)
        remove_whole(place.parent, copy.temporary, &unused);
    return -1;
}
