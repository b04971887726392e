/* What a step sees of the host's files where there is no mount namespace: nothing is placed anywhere, Landlock lets it
 * open what lies below the places that its policy names. It can still find out that a file exists, and what it is
 * (stat, readlink), which Landlock does not know. Runs in the maker, with the spawner's rights, under the policy's long
 * filter; paths come from the app. */
#include "portable/portable.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "sandbox/landlock.h"

enum {
    READS = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
    WRITES = READS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
             LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
             LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | RIGHT_REFER | RIGHT_TRUNCATE,
    USES = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE,
    /* The kernel refuses rights of directories in a rule for a file. */
    OF_FILES = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
               RIGHT_TRUNCATE | RIGHT_IOCTL_DEVICE,
};

static uint64_t known_rights(int abi)
{
    uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1; /* of the first version */
    rights |= abi >= 2 ? RIGHT_REFER : 0;
    rights |= abi >= 3 ? RIGHT_TRUNCATE : 0;
    return rights | (abi >= 5 ? RIGHT_IOCTL_DEVICE : 0);
}

static int refuse(struct failure *failure, const char *path)
{
    errno = EOPNOTSUPP;
    fail(failure, STAGE_LAYER, path);
    failure->layer = LAYER_MOUNT;
    failure->by = BY_NEEDS_NAMESPACES;
    return -1;
}

/* Who can write above it could put another directory in its place. */
static bool holds_scratch(const struct stat *place, const char *scratch)
{
    char path[PATH_LIMIT + 1];
    struct stat status;
    snprintf(path, sizeof(path), "%s", scratch);
    for (char *end; (end = strrchr(path, '/')) && *path; *end = 0) {
        if (!stat(path, &status) && status.st_dev == place->st_dev && status.st_ino == place->st_ino)
            return true;
    }
    return !stat("/", &status) && status.st_dev == place->st_dev && status.st_ino == place->st_ino;
}

static int open_place(struct places *places, const struct define *policy, size_t which, struct failure *failure)
{
    const struct mount_entry *entry = &policy->mounts[which];
    char path[PATH_LIMIT + 1];
    struct stat status;
    snprintf(path, sizeof(path), "%.*s", (int)entry->source.length, (const char *)entry->source.data);
    if (entry->source.length != entry->target.length ||
        memcmp(entry->source.data, entry->target.data, entry->target.length) != 0)
        return refuse(failure, path); /* nothing can be seen at another place than its own */
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status)) {
        close_descriptor(&fd);
        return entry->optional && errno == ENOENT ? 0 : fail(failure, STAGE_MOUNT_SOURCE, path);
    }
    if (entry->kind == MOUNT_WRITABLE && holds_scratch(&status, places->scratch_path)) {
        close_descriptor(&fd);
        return refuse(failure, path);
    }
    uint64_t rights = entry->kind == MOUNT_WRITABLE ? WRITES : entry->kind == MOUNT_DEVICE ? USES : READS;
    places->entries[which].rights = rights & (S_ISDIR(status.st_mode) ? ~0ull : (uint64_t)OF_FILES);
    places->entries[which].fd = fd;
    return 0;
}

int open_places(struct places *places, const struct define *policy, const char *directory, struct failure *failure)
{
    places->abi = (int)landlock_version();
    errno = EOPNOTSUPP;
    if (places->abi < 2) /* the first cannot allow moves, which git, pip and many others need */
        return fail_layer(failure, LAYER_LANDLOCK);
    /* Who cannot be found cannot be watched. */
    if (access("/proc/thread-self/children", R_OK))
        return fail_layer(failure, LAYER_MEMORY);
    struct statfs space;
    snprintf(places->scratch_path, sizeof(places->scratch_path), "%s", directory);
    places->scratch = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (places->scratch < 0 || fstatfs(places->scratch, &space))
        return fail(failure, STAGE_CONFIGURE, directory);
    errno = EMEDIUMTYPE; /* it would be memory that nobody counts */
    if (space.f_type == TMPFS_MAGIC || space.f_type == RAMFS_MAGIC)
        return fail(failure, STAGE_SCRATCH, directory);
    if (policy->terminal || policy->rule_count > 0 || policy->scratch_on_disk)
        return refuse(failure, NULL);
    for (size_t i = 0; i < policy->mount_count; i++) {
        places->entries[i].fd = -1;
        switch (policy->mounts[i].kind) {
        case MOUNT_READ_ONLY:
        case MOUNT_WRITABLE:
        case MOUNT_DEVICE:
            if (open_place(places, policy, i, failure))
                return -1;
            break;
        case MOUNT_SCRATCH:
            break;
        default:
            return refuse(failure, NULL);
        }
    }
    return 0;
}

/* One for each entry. */
static int make_directories(const struct define *policy, const struct make_request *request, int scratch)
{
    char name[24];
    for (size_t i = 0; i < policy->mount_count; i++) {
        if (policy->mounts[i].kind != MOUNT_SCRATCH)
            continue;
        snprintf(name, sizeof(name), "%zu", i);
        if (mkdirat(scratch, name, 0700) ||
            (request->identity.leased &&
             fchownat(scratch, name, request->identity.step, request->identity.step, AT_SYMLINK_NOFOLLOW)))
            return -1;
    }
    return 0;
}

int make_scratch(const struct places *places, const struct define *policy, const struct make_request *request,
                 char path[PATH_LIMIT + 1], struct failure *failure)
{
    char name[24];
    snprintf(name, sizeof(name), "%llu", (unsigned long long)request->sandbox);
    snprintf(path, PATH_LIMIT + 1, "%s/%s", places->scratch_path, name);
    /* The step can enter it, and neither list nor change it. */
    if (mkdirat(places->scratch, name, 0711))
        return fail(failure, STAGE_CONFIGURE, path);
    int scratch = openat(places->scratch, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (scratch >= 0 && !make_directories(policy, request, scratch))
        return scratch;
    close_descriptor(&scratch);
    return fail(failure, STAGE_CONFIGURE, path);
}

static int add_scratch(int ruleset, const struct define *policy, int scratch, uint64_t known)
{
    char name[24];
    for (size_t i = 0; i < policy->mount_count; i++) {
        if (policy->mounts[i].kind != MOUNT_SCRATCH)
            continue;
        snprintf(name, sizeof(name), "%zu", i);
        autoclose int place = openat(scratch, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (place < 0 || allow_beneath(ruleset, place, WRITES & known))
            return -1;
    }
    return 0;
}

int make_ruleset(const struct places *places, const struct define *policy, int scratch, struct failure *failure)
{
    struct handled handled = {.files = known_rights(places->abi),
                              .net = policy->host_network ? 0 : TCP_BIND | TCP_CONNECT,
                              .scoped = SCOPE_ABSTRACT | SCOPE_SIGNALS};
    autoclose int ruleset = new_ruleset(&handled, places->abi);
    if (ruleset < 0 || add_scratch(ruleset, policy, scratch, handled.files))
        return fail_layer(failure, LAYER_LANDLOCK);
    for (size_t i = 0; i < policy->mount_count; i++) {
        if (places->entries[i].fd >= 0 &&
            allow_beneath(ruleset, places->entries[i].fd, places->entries[i].rights & handled.files))
            return fail_layer(failure, LAYER_LANDLOCK);
    }
    return take_descriptor(&ruleset);
}

/* By names, for what else stands there tells of the host: its mounts, its connections. */
int show_itself(int ruleset)
{
    static const char *const NAMES[] = {"auxv",   "cmdline", "comm",  "environ", "fd",    "fdinfo",
                                        "limits", "maps",    "smaps", "stat",    "statm", "status"};
    autoclose int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat status;
    if (self < 0)
        return -1;
    for (size_t i = 0; i < LENGTH(NAMES); i++) {
        autoclose int place = openat(self, NAMES[i], O_PATH | O_CLOEXEC);
        if (place < 0 || fstat(place, &status) ||
            allow_beneath(ruleset, place,
                          LANDLOCK_ACCESS_FS_READ_FILE | (S_ISDIR(status.st_mode) ? LANDLOCK_ACCESS_FS_READ_DIR : 0)))
            return -1;
    }
    return 0;
}
