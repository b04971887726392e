/* What hostile code would try to change a file of which it has a descriptor, 3, that can only read; each attempt in a
 * child of its own. Prints what the kernel answered: `name 0` when it was done, else `name ERRNO`. It is run with an
 * ordinary descriptor, too: an attempt that fails there proves nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { FILE_FD = 3 };

static const char *const PROC = "/proc/self/fd/3", *const THREAD = "/proc/thread-self/fd/3", *const DEV = "/dev/fd/3";

static long done(long result) { return result < 0 ? -1 : 0; }

static long open_and_write(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? -1 : done(write(fd, "!", 1));
}
/* By the processes of one's own, which are in the same directory under another name. */
static long open_of_parent(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd/3", getppid());
    return open_and_write(path, O_RDWR);
}
static long open_duplicate(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", dup(FILE_FD));
    return open_and_write(path, O_WRONLY);
}
/* A descriptor that was opened anew for reading is no way around either. */
static long open_again_twice(void)
{
    char path[64];
    int again = open(PROC, O_RDONLY);
    if (again < 0)
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", again);
    return open_and_write(path, O_RDWR);
}
static long open_of_path(void)
{
    char path[64];
    int again = open(PROC, O_PATH);
    if (again < 0)
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", again);
    return open_and_write(path, O_RDWR);
}
/* Where its name leads from inside: there is nothing, or the same file under another mount. */
static long by_name(void)
{
    char path[4096];
    ssize_t length = readlink(PROC, path, sizeof(path) - 1);
    if (length < 0)
        return -1;
    path[length] = 0;
    return open_and_write(path, O_RDWR);
}
static long map_shared(int protection, int later)
{
    void *at = mmap(NULL, 4096, protection, MAP_SHARED, FILE_FD, 0);
    if (at == MAP_FAILED || (later && mprotect(at, 4096, PROT_READ | PROT_WRITE)))
        return -1;
    *(volatile char *)at = '!';
    return 0;
}
static long memory_of_self(void)
{
    char *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, FILE_FD, 0);
    int memory = open("/proc/self/mem", O_RDWR);
    if (at == MAP_FAILED || memory < 0)
        return -1;
    return done(pwrite(memory, "!", 1, (off_t)(unsigned long)at));
}
static long times(const char *path)
{
    struct timespec past[2] = {{1, 0}, {1, 0}};
    return path ? utimensat(AT_FDCWD, path, past, 0) : futimens(FILE_FD, past);
}
static int own_file(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/own-%d", getpid());
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    (void)!write(fd, "own", 3);
    lseek(fd, 0, SEEK_SET);
    return fd;
}
static long spliced(void)
{
    int ends[2];
    if (pipe(ends) || write(ends[1], "!", 1) != 1)
        return -1;
    return done(splice(ends[0], NULL, FILE_FD, NULL, 1, 0));
}
static long flags(void)
{
    long value = FS_NOATIME_FL | FS_APPEND_FL;
    return ioctl(FILE_FD, FS_IOC_SETFLAGS, &value);
}
static long deduplicated(void)
{
    struct {
        struct file_dedupe_range head;
        struct file_dedupe_range_info into;
    } range = {.head = {.src_length = 4096, .dest_count = 1}, .into = {.dest_fd = FILE_FD}};
    if (ioctl(own_file(), FIDEDUPERANGE, &range))
        return -1;
    return range.into.status < 0 ? (errno = -range.into.status, -1) : 0;
}
static long by_handle(void)
{
    struct {
        struct file_handle head;
        unsigned char space[128];
    } handle = {.head.handle_bytes = 128};
    int mount;
    if (name_to_handle_at(FILE_FD, "", &handle.head, &mount, AT_EMPTY_PATH))
        return -1;
    return done(open_by_handle_at(FILE_FD, &handle.head, O_RDWR));
}
static long linked(int flag)
{
    char path[64];
    snprintf(path, sizeof(path), "/tmp/link-%d", getpid());
    if (flag == AT_EMPTY_PATH ? linkat(FILE_FD, "", AT_FDCWD, path, flag) : linkat(AT_FDCWD, PROC, AT_FDCWD, path, flag))
        return -1;
    return open_and_write(path, O_RDWR);
}
static long acl(void)
{
    static const unsigned char EVERYBODY[] = {2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 7, 0,
                                              255, 255, 255, 255, 32, 0, 7, 0, 255, 255, 255, 255};
    return fsetxattr(FILE_FD, "system.posix_acl_access", EVERYBODY, sizeof(EVERYBODY), 0);
}
/* As the sandbox has given it: 0 is all of its flags. */
static long remount(void)
{
    unsigned long attributes[4] = {0, 1, 0, 0};
    return syscall(442, FILE_FD, "", AT_EMPTY_PATH, attributes, sizeof(attributes));
}

#define ATTEMPTS                                                                                                       \
    A("write", done(write(FILE_FD, "!", 1)))                                                                           \
    A("pwrite", done(pwrite(FILE_FD, "!", 1, 0)))                                                                      \
    A("open-proc", open_and_write(PROC, O_RDWR))                                                                       \
    A("open-proc-write", open_and_write(PROC, O_WRONLY))                                                               \
    A("open-proc-append", open_and_write(PROC, O_WRONLY | O_APPEND))                                                   \
    A("open-proc-truncate", done(open(PROC, O_RDONLY | O_TRUNC)))                                                      \
    A("open-proc-create", open_and_write(PROC, O_RDWR | O_CREAT))                                                      \
    A("open-proc-direct", done(open(PROC, O_RDWR | O_DIRECT)))                                                         \
    A("open-thread", open_and_write(THREAD, O_RDWR))                                                                   \
    A("open-dev", open_and_write(DEV, O_RDWR))                                                                         \
    A("open-parent", open_of_parent())                                                                                 \
    A("open-duplicate", open_duplicate())                                                                              \
    A("open-twice", open_again_twice())                                                                                \
    A("open-path", open_of_path())                                                                                     \
    A("open-name", by_name())                                                                                          \
    A("set-flags", fcntl(FILE_FD, F_SETFL, O_RDWR | O_APPEND) || write(FILE_FD, "!", 1) != 1 ? -1 : 0)                 \
    A("truncate", truncate(PROC, 0))                                                                                   \
    A("ftruncate", ftruncate(FILE_FD, 0))                                                                              \
    A("fallocate", fallocate(FILE_FD, 0, 0, 1 << 20))                                                                  \
    A("punch", fallocate(FILE_FD, 3, 0, 4096))                                                                         \
    A("fchmod", fchmod(FILE_FD, 0777))                                                                                 \
    A("chmod", chmod(PROC, 0777))                                                                                      \
    A("fchown", fchown(FILE_FD, getuid(), getgid()))                                                                   \
    A("chown", chown(PROC, getuid(), getgid()))                                                                        \
    A("futimens", times(NULL))                                                                                         \
    A("utimensat", times(PROC))                                                                                        \
    A("touch", utimensat(AT_FDCWD, PROC, NULL, 0))                                                                     \
    A("fsetxattr", fsetxattr(FILE_FD, "user.attempt", "!", 1, 0))                                                      \
    A("setxattr", setxattr(PROC, "user.attempt", "!", 1, 0))                                                           \
    A("fremovexattr", fremovexattr(FILE_FD, "user.attempt"))                                                           \
    A("acl", acl())                                                                                                    \
    A("map", map_shared(PROT_READ | PROT_WRITE, 0))                                                                    \
    A("map-later", map_shared(PROT_READ, 1))                                                                           \
    A("memory", memory_of_self())                                                                                      \
    A("link", linked(AT_SYMLINK_FOLLOW))                                                                               \
    A("link-empty", linked(AT_EMPTY_PATH))                                                                             \
    A("rename-away", rename(PROC, "/tmp/renamed"))                                                                     \
    A("rename-over", rename("/tmp/other", PROC))                                                                       \
    A("unlink", unlink(PROC))                                                                                          \
    A("copy-range", done(copy_file_range(own_file(), NULL, FILE_FD, NULL, 3, 0)))                                      \
    A("sendfile", done(sendfile(FILE_FD, own_file(), NULL, 3)))                                                        \
    A("splice", spliced())                                                                                             \
    A("clone", ioctl(FILE_FD, FICLONE, own_file()))                                                                    \
    A("deduplicate", deduplicated())                                                                                   \
    A("set-attributes", flags())                                                                                       \
    A("handle", by_handle())                                                                                           \
    A("up", done(openat(FILE_FD, "..", O_RDONLY)))                                                                     \
    A("lease", fcntl(FILE_FD, F_SETLEASE, F_RDLCK))                                                                    \
    A("write-lease", fcntl(FILE_FD, F_SETLEASE, F_WRLCK))                                                              \
    A("remount", remount())

static const char *const NAMES[] = {
#define A(name, call) name,
    ATTEMPTS
#undef A
};

static long attempt(size_t which)
{
    size_t at = 0;
#define A(name, call)                                                                                                  \
    if (at++ == which)                                                                                                 \
        return (call);
    ATTEMPTS
#undef A
    return -1;
}

int main(void)
{
    close(open("/tmp/other", O_RDWR | O_CREAT, 0600));
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            errno = 0;
            _exit(attempt(i) == 0 ? 0 : errno ? errno : 255);
        }
        if (child < 0 || waitpid(child, &status, 0) != child)
            return 1;
        printf("%s %d\n", NAMES[i], WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status));
    }
    return 0;
}
