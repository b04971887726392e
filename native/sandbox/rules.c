/* Paths of the host's directories that are hidden or cannot be written: what a rule names is looked for when the
 * sandbox is made, and covered or mounted read-only where it lies. Nothing is ever made on the host. Runs in init, with
 * the maker's privileges, before anything hostile exists; but the directories may have been written by it before, so
 * everything in them is bounded, and no path is built from it. */
#include "sandbox/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "sandbox/mounts.h"

enum { DEPTH_LIMIT = 64, ENTRY_LIMIT = 2 << 20, FOUND_LIMIT = 20000, STATX_MOUNT_ROOT = 0x2000 };

struct search {
    const struct rule *rule;
    char pattern[PATH_LIMIT + 1];   /* what follows the literal part, NUL between its components */
    const char *parts[DEPTH_LIMIT]; /* of it */
    size_t part_count;
    int covers[2]; /* an empty file, an empty directory */
    struct stat cover_status[2];
    const char *names[2 * DEPTH_LIMIT]; /* of the directories from the base down to where we are */
    size_t depth;
    size_t entries, found; /* so far, of all rules */
    int base;
    const struct identity *identity;
};

/* As a step would find it, but by no way that the kernel makes up: those lead out as long as the host's /proc stands
 * there. */
static int open_part(int directory, const char *name, int flags)
{
    struct open_how how = {.flags = (unsigned)(O_PATH | O_CLOEXEC | flags), .resolve = RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, directory, name, &how, sizeof(how));
}

static bool is_absent(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

/* Where we may not go, a step cannot go either: unless it owns the directory, or is of its group, while the other of
 * the two is nobody that it knows, which takes our rights from us and not its own from it. Behind a link we do not
 * see which directory it was. */
static bool is_nothing(const struct search *search, int directory, const char *name)
{
    int error = errno;
    struct stat status;
    bool leased = search->identity->leased; /* else a step is who we are */
    uid_t step = search->identity->step;
    bool ours = leased && (!fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) || fstat(directory, &status) ||
                           status.st_uid == step || status.st_gid == step);
    errno = error;
    return is_absent(error) || (error == EACCES && !ours);
}

static int count_one(struct search *search)
{
    errno = E2BIG;
    return ++search->found > FOUND_LIMIT ? -1 : 0;
}

static bool is_cover(const struct search *search, const struct stat *status)
{
    for (size_t i = 0; i < LENGTH(search->covers); i++) {
        if (status->st_dev == search->cover_status[i].st_dev && status->st_ino == search->cover_status[i].st_ino)
            return true;
    }
    return false;
}

static bool is_mount_root(int directory)
{
    struct statx status;
    return !statx(directory, "", AT_EMPTY_PATH, STATX_INO, &status) && status.stx_attributes & STATX_MOUNT_ROOT;
}

/* What a link in a hostile directory may lead to. It cannot be covered, or nothing could be made any more; and all that
 * lies in it has a path of its own. */
static bool is_root(const struct stat *status)
{
    struct stat root;
    return !stat("/", &root) && root.st_dev == status->st_dev && root.st_ino == status->st_ino;
}

static int mount_on_itself(int found, uint64_t attributes)
{
    autoclose int copy = clone_mount(found, "", true);
    if (copy < 0 || (attributes && set_mount(copy, "", attributes, 0, true)))
        return -1;
    return attach_mount(copy, found, "");
}

static bool can_be_moved(int directory)
{
    struct statvfs file_system;
    return !is_mount_root(directory) && (fstatvfs(directory, &file_system) || !(file_system.f_flag & ST_RDONLY));
}

/* The directories on the way are mounted on themselves: what something is mounted on cannot be renamed, neither for
 * another to be put in its place, nor for the next sandbox not to find it by its path. Answers the last one; opened by
 * name each time, because a descriptor from before would be below what has been mounted. */
static int pin_way(const struct search *search)
{
    int flags = O_DIRECTORY | (search->rule->hide ? 0 : O_NOFOLLOW);
    int at = fcntl(search->base, F_DUPFD_CLOEXEC, 0);
    for (size_t i = 0; at >= 0 && i < search->depth; i++) {
        autoclose int directory = open_part(at, search->names[i], flags);
        int failed = directory < 0 || (can_be_moved(directory) && mount_on_itself(directory, 0)) ? -1 : 0;
        int inside = failed ? -1 : open_part(at, search->names[i], flags);
        close_descriptor(&at);
        at = inside;
    }
    return at;
}

static int hide(struct search *search, const char *last)
{
    autoclose int parent = pin_way(search);
    autoclose int found = parent < 0 ? -1 : open_part(parent, last, 0);
    struct stat status;
    if (found < 0 || fstat(found, &status) || count_one(search))
        return -1;
    if (is_cover(search, &status) || is_root(&status))
        return 0;
    autoclose int cover = clone_mount(search->covers[S_ISDIR(status.st_mode) ? 1 : 0], "", false);
    return cover < 0 ? -1 : attach_mount(cover, found, "");
}

/* Links on the way could be replaced, so there must be none. */
static int protect(struct search *search, const char *last)
{
    if (count_one(search))
        return -1;
    autoclose int parent = pin_way(search);
    autoclose int found = parent < 0 ? -1 : open_part(parent, last, O_NOFOLLOW);
    struct stat status;
    if (found < 0 || fstat(found, &status))
        return -1;
    errno = ELOOP;
    return S_ISLNK(status.st_mode) ? -1 : mount_on_itself(found, MOUNT_ATTR_RDONLY);
}

static int carry_out(struct search *search, int directory, const char *name)
{
    autoclose int found = open_part(directory, name, search->rule->hide ? 0 : O_NOFOLLOW);
    if (found < 0)
        return is_nothing(search, directory, name) ? 0 : -1;
    return search->rule->hide ? hide(search, name) : protect(search, name);
}

/* What is to be protected behind a link is not protected. By a pattern many links are met, and those that lead to no
 * directory have nothing behind them. */
static bool is_link_on_the_way(int directory, const char *name, bool literal)
{
    struct stat status;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) || !S_ISLNK(status.st_mode))
        return false;
    autoclose int leads = open_part(directory, name, O_DIRECTORY);
    return literal || leads >= 0;
}

static bool is_pattern(const char *part)
{
    return strpbrk(part, "*?[\\") != NULL;
}

static int match(struct search *search, int directory, size_t part);

static int descend(struct search *search, int directory, const char *name, size_t part, bool follow)
{
    bool links = follow && search->rule->hide;
    autoclose int below = open_part(directory, name, O_DIRECTORY | (links ? 0 : O_NOFOLLOW));
    if (below < 0 && !is_nothing(search, directory, name))
        return -1;
    if (below < 0) {
        bool passed = !follow || links || !is_link_on_the_way(directory, name, !is_pattern(search->parts[part - 1]));
        errno = ELOOP;
        return passed ? 0 : -1;
    }
    errno = E2BIG;
    if (search->depth == LENGTH(search->names))
        return -1;
    search->names[search->depth++] = name;
    int failed = match(search, below, part);
    search->depth--;
    return failed;
}

static int match_entry(struct search *search, int directory, const struct dirent *entry, size_t part)
{
    const char *wanted = search->parts[part];
    bool last = part + 1 == search->part_count;
    errno = E2BIG;
    if (++search->entries > ENTRY_LIMIT)
        return -1;
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
        return 0;
    if (!strcmp(wanted, "**")) /* links are not followed: what they lead to is met where it lies */
        return entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN
                   ? descend(search, directory, entry->d_name, part, false)
                   : 0;
    if (fnmatch(wanted, entry->d_name, 0))
        return 0;
    return last ? carry_out(search, directory, entry->d_name)
                : descend(search, directory, entry->d_name, part + 1, true);
}

static int match(struct search *search, int directory, size_t part)
{
    const char *wanted = search->parts[part];
    bool last = part + 1 == search->part_count, any = !strcmp(wanted, "**");
    if (!is_pattern(wanted))
        return last ? carry_out(search, directory, wanted) : descend(search, directory, wanted, part + 1, true);
    if (any && !last && match(search, directory, part + 1))
        return -1;
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), failed = 0;
    DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    if (!entries) {
        close_descriptor(&copy);
        return -1;
    }
    while (!failed) {
        errno = 0;
        const struct dirent *entry = readdir(entries);
        if (!entry) {
            failed = errno ? -1 : 0;
            break;
        }
        failed = match_entry(search, directory, entry, part);
    }
    int error = errno;
    closedir(entries);
    errno = error;
    return failed;
}

/* Into its parts; empty ones and "." mean nothing. */
static int split(struct search *search)
{
    const struct rule *rule = search->rule;
    size_t length = rule->pattern.length - rule->literal;
    memcpy(search->pattern, rule->pattern.data + rule->literal, length);
    search->pattern[length] = 0;
    search->part_count = search->depth = 0;
    for (char *saved, *part = strtok_r(search->pattern, "/", &saved); part; part = strtok_r(NULL, "/", &saved)) {
        errno = E2BIG;
        if (search->part_count == DEPTH_LIMIT)
            return -1;
        if (strcmp(part, "."))
            search->parts[search->part_count++] = part;
    }
    errno = EINVAL;
    return search->part_count == 0 ? -1 : 0;
}

static int open_base(const struct rule *rule)
{
    char path[PATH_LIMIT + 1];
    memcpy(path, rule->pattern.data, rule->literal);
    path[rule->literal] = 0;
    return open_part(AT_FDCWD, rule->literal == 0 ? "/" : path, O_DIRECTORY);
}

static int carry_out_rule(struct search *search)
{
    size_t before = search->found;
    search->base = open_base(search->rule);
    autoclose int base = search->base;
    if (base < 0 && is_absent(errno) && !search->rule->must_exist)
        return 0; /* an optional mount */
    if (base < 0 || split(search) || match(search, base, 0))
        return -1;
    errno = ENOENT;
    return search->rule->must_exist && search->found == before ? -1 : 0;
}

static int open_covers(struct search *search)
{
    static const char *const NAMES[] = {COVERS "/file", COVERS "/directory"};
    for (size_t i = 0; i < LENGTH(NAMES); i++) {
        search->covers[i] = open(NAMES[i], O_PATH | O_CLOEXEC);
        if (search->covers[i] < 0 || fstat(search->covers[i], &search->cover_status[i]))
            return -1;
    }
    return 0;
}

int carry_out_rules(const struct sandbox_start *start, struct failure *failure)
{
    const struct define *policy = start->policy;
    static struct search search; /* large */
    char path[PATH_LIMIT + 1];
    if (policy->rule_count == 0)
        return 0;
    search = (struct search){.covers = {-1, -1}, .identity = &start->identity};
    if (open_covers(&search))
        return fail_layer(failure, LAYER_MOUNT);
    for (size_t i = 0; i < policy->rule_count; i++) {
        search.rule = &policy->rules[i];
        if (!carry_out_rule(&search))
            continue;
        int error = errno;
        snprintf(path, sizeof(path), "%.*s", (int)search.rule->pattern.length, (const char *)search.rule->pattern.data);
        errno = error;
        return fail(failure, STAGE_RULE, path);
    }
    for (size_t i = 0; i < LENGTH(search.covers); i++)
        close(search.covers[i]);
    return 0;
}
