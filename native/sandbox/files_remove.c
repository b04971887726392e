/* Removing a path, if asked for with all that is in it. Runs in the step, with its rights, and beside commands that may
 * change all of it meanwhile: each level is a descriptor, and links are removed, not followed. However deep the tree
 * is, few levels are open at once: what lies deeper is moved up to where the removal began. Who puts more into it than
 * is removed is ended by the deadline of the operation. */
#include "sandbox/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_LEVELS = 32, MOST_ROUNDS = 100 };
enum { RECURSIVE = 1, FORCE = 2 };

struct level {
    DIR *entries;
    char name[NAME_LIMIT + 1]; /* in the level above */
    bool changed;              /* since it was last read from its beginning */
    unsigned rounds;           /* in which nothing could be done, and it was not empty */
};

struct removal {
    int parent; /* of the first level */
    struct level levels[MOST_LEVELS];
    unsigned count, moved;
    struct problem *problem;
};

static int above(const struct removal *removal)
{
    return removal->count == 1 ? removal->parent : dirfd(removal->levels[removal->count - 2].entries);
}

/* Its owner may have taken all rights from itself. */
static int open_directory(int parent, const char *name)
{
    char link[32];
    struct stat status;
    autoclose int found = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (found < 0 || fstat(found, &status))
        return -1;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", found);
    if ((status.st_mode & 0700) != 0700)
        chmod(link, (status.st_mode & 0777) | 0700); /* where that is not permitted the next call tells */
    return open(link, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int push(struct removal *removal, int parent, const char *name)
{
    struct level *level = &removal->levels[removal->count];
    int directory = open_directory(parent, name);
    if (directory < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : note(removal->problem, CALL_OPEN, name);
    level->entries = fdopendir(directory);
    if (!level->entries) {
        close(directory);
        return note(removal->problem, CALL_LIST, name);
    }
    memcpy(level->name, name, strlen(name) + 1);
    level->changed = false;
    level->rounds = 0;
    removal->count++;
    return 0;
}

static void pop(struct removal *removal)
{
    closedir(removal->levels[--removal->count].entries);
}

/* To the first level, which is read again as long as it is not empty. */
static int move_up(struct removal *removal, int directory, const char *name)
{
    char moved[64];
    int top = dirfd(removal->levels[0].entries);
    snprintf(moved, sizeof(moved), ".spawn-sandbox-%d-%u", getpid(), removal->moved++);
    if (renameat(directory, name, top, moved) && errno != ENOENT)
        return note(removal->problem, CALL_RENAME, name);
    return 0;
}

static int remove_one(struct removal *removal, const char *name)
{
    struct level *level = &removal->levels[removal->count - 1];
    int directory = dirfd(level->entries);
    if (strlen(name) > NAME_LIMIT)
        return errno = ENAMETOOLONG, note(removal->problem, CALL_UNLINK, "");
    if (!unlinkat(directory, name, 0)) {
        level->changed = true;
        return 0;
    }
    if (errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return note(removal->problem, CALL_UNLINK, name);
    if (!unlinkat(directory, name, AT_REMOVEDIR)) {
        level->changed = true;
        return 0;
    }
    if (errno != ENOTEMPTY && errno != EEXIST)
        return errno == ENOENT || errno == ENOTDIR ? 0 : note(removal->problem, CALL_UNLINK, name);
    level->changed = true;
    return removal->count == MOST_LEVELS ? move_up(removal, directory, name) : push(removal, directory, name);
}

/* The level was read to its end: it goes, or is read again. */
static int remove_level(struct removal *removal)
{
    struct level *level = &removal->levels[removal->count - 1];
    if (!unlinkat(above(removal), level->name, AT_REMOVEDIR) || errno == ENOENT || errno == ENOTDIR) {
        pop(removal);
        return 0;
    }
    bool full = errno == ENOTEMPTY || errno == EEXIST;
    if (!full || (!level->changed && ++level->rounds > MOST_ROUNDS))
        return note(removal->problem, CALL_UNLINK, level->name);
    level->changed = false;
    rewinddir(level->entries);
    return 0;
}

int remove_whole(int parent, const char *name, struct problem *problem)
{
    static struct removal removal;
    struct stat status;
    removal = (struct removal){.parent = parent, .problem = problem};
    /* Looked at, for who may not remove a directory may still remove what is in it, as that of a mount. */
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : note(problem, CALL_STAT, name);
    if (!S_ISDIR(status.st_mode))
        return unlinkat(parent, name, 0) && errno != ENOENT ? note(problem, CALL_UNLINK, name) : 0;
    int failed = push(&removal, parent, name);
    while (removal.count > 0 && !failed) {
        errno = 0;
        const struct dirent *found = readdir(removal.levels[removal.count - 1].entries);
        if (!found)
            failed = errno ? note(problem, CALL_LIST, "") : remove_level(&removal);
        else if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
            failed = remove_one(&removal, found->d_name);
    }
    while (removal.count > 0)
        pop(&removal);
    return failed;
}

int remove_path(char **words, struct problem *problem)
{
    unsigned flags = (unsigned)strtoul(words[1], NULL, 10);
    struct place place;
    struct stat status;
    int failed = find_place(words[0], false, &place, problem);
    if (failed && problem->error == ENOENT && flags & FORCE)
        return 0;
    if (failed)
        return -1;
    if (fstatat(place.parent, place.name, &status, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT && flags & FORCE ? 0 : note(problem, CALL_STAT, words[0]);
    if (flags & RECURSIVE)
        return remove_whole(place.parent, place.name, problem);
    failed = unlinkat(place.parent, place.name, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
    return failed ? note(problem, CALL_UNLINK, words[0]) : 0;
}
