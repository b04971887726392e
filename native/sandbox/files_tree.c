/* Reading a directory with all that is in it: to list it, or to copy it out. Runs in the step, with its rights, and
 * beside commands that may change all of it meanwhile: each level is a descriptor, links are never followed, and what
 * has gone between two looks is passed over. */
#include "sandbox/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

struct walk {
    bool copies;
    uint64_t bytes, entries; /* left */
    unsigned depth;          /* most */
    struct problem *problem;
    DIR *levels[DEPTH_LIMIT + 1];
    size_t lengths[DEPTH_LIMIT + 1]; /* of the path of each */
    unsigned level;
    char path[PATH_LIMIT + 1];
    struct entry entry;
};

static int report(struct walk *walk, enum call call, const char *name)
{
    static char path[PATH_LIMIT + NAME_LIMIT + 2];
    int error = errno;
    snprintf(path, sizeof(path), "%s%s%s", walk->path, *name ? "/" : "", name);
    errno = error;
    return note(walk->problem, call, path);
}

static bool has_gone(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENXIO;
}

/* The directory is the walk's from now on. */
static int descend(struct walk *walk, int directory, const char *name)
{
    DIR *level = fdopendir(directory);
    if (!level) {
        report(walk, CALL_LIST, name);
        close(directory);
        return -1;
    }
    size_t length = strlen(walk->path);
    walk->lengths[walk->level] = length;
    walk->levels[walk->level++] = level;
    snprintf(walk->path + length, sizeof(walk->path) - length, "%s%s", *name ? "/" : "", name);
    return 0;
}

static void ascend(struct walk *walk)
{
    closedir(walk->levels[--walk->level]);
    walk->path[walk->lengths[walk->level]] = 0;
}

static int send_one(struct walk *walk)
{
    errno = E2BIG;
    if (walk->entries == 0)
        return report(walk, TOO_MANY, walk->entry.name);
    walk->entries--;
    return send_entry(&walk->entry) ? report(walk, CALL_WRITE, walk->entry.name) : 0;
}

static int copy_file(struct walk *walk, int directory)
{
    struct stat status;
    struct entry *entry = &walk->entry;
    autoclose int file = openat(directory, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0)
        return has_gone(errno) ? 0 : report(walk, CALL_OPEN, entry->name);
    if (fstat(file, &status))
        return report(walk, CALL_STAT, entry->name);
    if (!S_ISREG(status.st_mode))
        return 0; /* it is another one by now */
    describe(&status, entry);
    errno = EFBIG;
    if (entry->size > walk->bytes)
        return report(walk, TOO_LONG, entry->name);
    if (send_one(walk))
        return -1;
    int more = send_data(file, &walk->bytes);
    errno = more > 0 ? EFBIG : errno;
    return more ? report(walk, more > 0 ? TOO_LONG : CALL_READ, entry->name) : 0;
}

static int enter(struct walk *walk, int directory)
{
    struct stat status;
    struct entry *entry = &walk->entry;
    errno = ELOOP;
    if (walk->level == walk->depth)
        return report(walk, TOO_DEEP, entry->name);
    int opened = openat(directory, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (opened < 0)
        return has_gone(errno) ? 0 : report(walk, CALL_OPEN, entry->name);
    if (fstat(opened, &status)) {
        close(opened);
        return report(walk, CALL_STAT, entry->name);
    }
    describe(&status, entry);
    if (send_one(walk)) {
        close(opened);
        return -1;
    }
    char name[NAME_LIMIT + 1];
    memcpy(name, entry->name, sizeof(name));
    return descend(walk, opened, name);
}

static int visit(struct walk *walk, int directory, const char *name)
{
    struct stat status;
    struct entry *entry = &walk->entry;
    size_t length = strnlen(name, NAME_LIMIT + 1);
    errno = ENAMETOOLONG; /* of a foreign file system */
    if (length > NAME_LIMIT)
        return report(walk, CALL_LIST, "");
    memcpy(entry->name, name, length + 1);
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW))
        return has_gone(errno) ? 0 : report(walk, CALL_STAT, name);
    describe(&status, entry);
    if (entry->kind == KIND_LINK && read_target(directory, entry->name, entry))
        return has_gone(errno) || errno == EINVAL ? 0 : report(walk, CALL_READLINK, name);
    if (entry->kind == KIND_FILE && walk->copies)
        return copy_file(walk, directory);
    if (entry->kind == KIND_DIRECTORY && (walk->copies || walk->depth > 1))
        return enter(walk, directory);
    return send_one(walk);
}

/* What is open ends with the process. */
static int walk_all(struct walk *walk)
{
    while (walk->level > 0) {
        DIR *level = walk->levels[walk->level - 1];
        errno = 0;
        const struct dirent *found = readdir(level);
        if (!found && errno)
            return report(walk, CALL_LIST, "");
        if (!found) {
            ascend(walk);
            continue;
        }
        if (!strcmp(found->d_name, ".") || !strcmp(found->d_name, ".."))
            continue;
        walk->entry.depth = walk->level;
        if (visit(walk, dirfd(level), found->d_name))
            return -1;
    }
    return 0;
}

static void begin(struct walk *walk, const char *path, struct problem *problem)
{
    size_t length = strnlen(path, PATH_LIMIT);
    while (length > 0 && path[length - 1] == '/')
        length--;
    memcpy(walk->path, path, length);
    walk->path[length] = 0;
    walk->problem = problem;
    if (walk->depth > DEPTH_LIMIT)
        walk->depth = DEPTH_LIMIT;
}

int list_tree(char **words, struct problem *problem)
{
    static struct walk walk;
    walk.entries = strtoull(words[1], NULL, 10);
    walk.depth = (unsigned)strtoul(words[2], NULL, 10);
    begin(&walk, words[0], problem);
    int directory = open(words[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return note(problem, CALL_OPEN, words[0]);
    return descend(&walk, directory, "") ? -1 : walk_all(&walk);
}

int copy_out(char **words, struct problem *problem)
{
    static struct walk walk;
    struct place place;
    struct stat status;
    walk.copies = true;
    walk.bytes = strtoull(words[1], NULL, 10);
    walk.entries = strtoull(words[2], NULL, 10);
    walk.depth = (unsigned)strtoul(words[3], NULL, 10);
    begin(&walk, words[0], problem);
    if (find_place(words[0], false, &place, problem))
        return -1;
    if (fstatat(place.parent, place.name, &status, AT_SYMLINK_NOFOLLOW))
        return note(problem, CALL_STAT, words[0]);
    describe(&status, &walk.entry);
    errno = EINVAL;
    if (walk.entry.kind > KIND_DIRECTORY)
        return note(problem, NOT_A_FILE, words[0]);
    *strrchr(walk.path, '/') = 0; /* its own name is added as that of what it contains is */
    return visit(&walk, place.parent, place.name) ? -1 : walk_all(&walk);
}
