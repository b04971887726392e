/* The built-in command that works on the files of a sandbox that lives. It is a step like any other, which has not
 * executed a program: all layers hold for it, so that a path means no more to it than to the commands beside it, and
 * what they put in its way leads nowhere that they could not go. The app believes nothing of what it says. */
#include "sandbox/files.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

int note(struct problem *out, enum call call, const char *path)
{
    size_t length = strnlen(path, PATH_LIMIT);
    out->call = call;
    out->error = errno;
    memcpy(out->path, path, length);
    out->path[length] = 0;
    return -1;
}

void describe(const struct stat *status, struct entry *out)
{
    static const struct {
        mode_t format;
        enum entry_kind kind;
    } KINDS[] = {{S_IFREG, KIND_FILE},    {S_IFDIR, KIND_DIRECTORY},  {S_IFLNK, KIND_LINK},  {S_IFIFO, KIND_FIFO},
                 {S_IFSOCK, KIND_SOCKET}, {S_IFCHR, KIND_CHARACTERS}, {S_IFBLK, KIND_BLOCKS}};
    out->kind = KIND_BLOCKS;
    for (size_t i = 0; i < LENGTH(KINDS); i++) {
        if ((status->st_mode & S_IFMT) == KINDS[i].format)
            out->kind = KINDS[i].kind;
    }
    out->mode = status->st_mode & 07777;
    out->size = (uint64_t)status->st_size;
    out->seconds = status->st_mtim.tv_sec;
    out->nanoseconds = (uint32_t)status->st_mtim.tv_nsec;
    out->target[0] = 0;
}

int read_target(int directory, const char *path, struct entry *link)
{
    ssize_t length = readlinkat(directory, path, link->target, PATH_LIMIT + 1);
    if (length > PATH_LIMIT)
        errno = ENAMETOOLONG;
    bool whole = length >= 0 && length <= PATH_LIMIT;
    link->target[whole ? length : 0] = 0;
    return whole ? 0 : -1;
}

/* What is there already is none of our business: opening the last of them tells. */
static int make_directories(char *path)
{
    int error = 0;
    for (char *at = path + 1; error == 0; at++) {
        if (*at && *at != '/')
            continue;
        char end = *at;
        *at = 0;
        if (mkdir(path, 0755) && errno != EEXIST && access(path, F_OK))
            error = errno;
        *at = end;
        if (!end)
            break;
    }
    errno = error;
    return error ? -1 : 0;
}

int find_place(const char *path, bool make_parents, struct place *place, struct problem *problem)
{
    char parent[PATH_LIMIT + 1];
    size_t length = strnlen(path, PATH_LIMIT);
    while (length > 1 && path[length - 1] == '/')
        length--;
    memcpy(parent, path, length);
    parent[length] = 0;
    char *slash = strrchr(parent, '/');
    const char *name = slash ? slash + 1 : parent;
    errno = strlen(name) > NAME_LIMIT ? ENAMETOOLONG : EINVAL;
    if (!slash || !*name || strlen(name) > NAME_LIMIT || !strcmp(name, ".") || !strcmp(name, ".."))
        return note(problem, CALL_OPEN, path);
    memcpy(place->name, name, strlen(name) + 1);
    slash[slash == parent ? 1 : 0] = 0;
    if (make_parents && make_directories(parent))
        return note(problem, CALL_MKDIR, parent);
    place->parent = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return place->parent < 0 ? note(problem, CALL_OPEN, parent) : 0;
}

/* Looked at before it is opened, as that alone can mean something to a device, and once more afterwards. */
static int open_regular(const char *path, struct stat *status, struct problem *problem)
{
    if (stat(path, status))
        return note(problem, CALL_STAT, path);
    errno = S_ISDIR(status->st_mode) ? EISDIR : EINVAL;
    if (!S_ISREG(status->st_mode))
        return note(problem, NOT_A_FILE, path);
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0)
        return note(problem, CALL_OPEN, path);
    errno = EINVAL;
    if (!fstat(file, status) && S_ISREG(status->st_mode))
        return file;
    close(file);
    return note(problem, NOT_A_FILE, path);
}

static int read_file(char **words, struct problem *problem)
{
    struct stat status;
    uint64_t left = strtoull(words[1], NULL, 10);
    autoclose int file = open_regular(words[0], &status, problem);
    if (file < 0)
        return -1;
    errno = EFBIG;
    if ((uint64_t)status.st_size > left)
        return note(problem, TOO_LONG, words[0]);
    int more = send_data(file, &left);
    errno = more > 0 ? EFBIG : errno;
    return more ? note(problem, more > 0 ? TOO_LONG : CALL_READ, words[0]) : 0;
}

static int stat_path(char **words, struct problem *problem)
{
    static struct entry entry;
    struct stat status;
    if (lstat(words[0], &status))
        return note(problem, CALL_STAT, words[0]);
    describe(&status, &entry);
    if (entry.kind == KIND_LINK && read_target(AT_FDCWD, words[0], &entry))
        return note(problem, CALL_READLINK, words[0]);
    return send_entry(&entry);
}

static const struct {
    const char *name;
    size_t words;
    int (*run)(char **words, struct problem *problem);
} OPERATIONS[] = {
    {"read", 2, read_file},     {"write", 4, write_file}, {"stat", 1, stat_path},   {"list", 3, list_tree},
    {"remove", 2, remove_path}, {"copyIn", 3, copy_in},   {"copyOut", 4, copy_out},
};

_Noreturn void files_main(char **argv, size_t count)
{
    static struct problem problem;
    const struct sigaction ignored = {.sa_handler = SIG_IGN};
    prctl(PR_SET_NAME, "sandbox-files", 0, 0, 0);
    sigaction(SIGXFSZ, &ignored, NULL); /* a file that is too long is an error like any other */
    umask(0);                           /* modes are what the app asks for */
    errno = ENOSYS;
    note(&problem, NOT_UNDERSTOOD, "");
    for (size_t i = 0; i < LENGTH(OPERATIONS); i++) {
        if (count < 2 || strcmp(argv[1], OPERATIONS[i].name) != 0 || count != 2 + OPERATIONS[i].words)
            continue;
        if (!OPERATIONS[i].run(&argv[2], &problem))
            _exit(send_end() ? 1 : 0);
        break;
    }
    send_problem(&problem);
    _exit(1);
}
