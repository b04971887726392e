/* What needs more than one call to try. Outside it succeeds, and harms nothing. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/prober.h"

static int child(long pid)
{
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, __WALL);
    return done(pid);
}

static int clone_with(char **words)
{
    return child(syscall(SYS_clone, strtoul(words[0], NULL, 0) | SIGCHLD, 0L, 0L, 0L, 0L));
}

/* Its flags no filter sees. */
static int clone3_with(char **words)
{
    const unsigned long arguments[11] = {strtoul(words[0], NULL, 0), 0, 0, 0, SIGCHLD};
    return child(syscall(SYS_clone3, arguments, sizeof(arguments)));
}

static int clone_into_cgroup(char **words)
{
    (void)words;
    int cgroup = open("/sys/fs/cgroup/unified", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (cgroup < 0)
        cgroup = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const unsigned long arguments[11] = {
        [0] = 1ul << 33 /* CLONE_INTO_CGROUP */, [4] = SIGCHLD, [10] = (unsigned long)cgroup};
    return child(syscall(SYS_clone3, arguments, sizeof(arguments)));
}

/* Outside, what follows must not reach the host; inside, a namespace of its own is what it wants first. */
static bool stands_apart(void)
{
    return !unshare(CLONE_NEWUSER | CLONE_NEWNS) || geteuid() != 0;
}

static int mount_something(char **words)
{
    (void)words;
    return stands_apart() ? mount("none", "/tmp", "tmpfs", 0, NULL) : -1;
}

/* Of what covers, if something does: where nothing is mounted, who may ask is told so. */
static int unmount(char **words)
{
    return stands_apart() && (!umount2(words[0], MNT_DETACH) || errno == EINVAL) ? 0 : -1;
}

static int mount_proc(char **words)
{
    (void)words;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID))
        return -1;
    int status = 1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(mount("none", "/proc", "proc", 0, NULL) ? errno : 0);
    waitpid(pid, &status, 0);
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
    return errno ? -1 : 0;
}

static int trace_child(char **words)
{
    (void)words;
    pid_t pid = waiting_child();
    long result = syscall(SYS_ptrace, 16L /* PTRACE_ATTACH */, (long)pid, 0L, 0L);
    int error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, __WALL);
    errno = error;
    return done(result);
}

/* The parent has what was copied of it at the same place. */
static int memory_by_call(char **words)
{
    char to[8];
    pid_t whose = strcmp(words[0], "parent") ? getpid() : getppid();
    const struct iovec here = {to, sizeof(to)}, there = {(void *)words, sizeof(to)};
    return done(process_vm_readv(whose, &here, 1, &there, 1, 0));
}

static int own_descriptor_by_pidfd(char **words)
{
    (void)words;
    long pidfd = syscall(SYS_pidfd_open, (long)getpid(), 0L);
    return done(syscall(SYS_pidfd_getfd, pidfd, 0L, 0L));
}

static int limits_of_parent(char **words)
{
    (void)words;
    struct rlimit limit;
    return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit);
}

static int handle_of_file(char **words)
{
    int mount;
    struct {
        struct file_handle head;
        char space[128];
    } handle;
    handle.head.handle_bytes = sizeof(handle.space);
    return name_to_handle_at(AT_FDCWD, words[0], &handle.head, &mount, 0);
}

static int pages_into_pipe(char **words)
{
    int ends[2];
    const struct iovec part = {(void *)words, 1};
    return pipe(ends) ? -1 : done(vmsplice(ends[1], &part, 1, 0));
}

static int listen_to_calls(char **words)
{
    (void)words;
    struct sock_filter allow = {BPF_RET, 0, 0, SECCOMP_RET_ALLOW};
    const struct sock_fprog program = {1, &allow};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return done(syscall(SYS_seccomp, (long)SECCOMP_SET_MODE_FILTER, (long)SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

static int real_time(char **words)
{
    const struct sched_param parameters = {1};
    return sched_setscheduler(0, atoi(words[0]), &parameters);
}

static int priority(char **words)
{
    return setpriority(PRIO_PROCESS, 0, atoi(words[0]));
}

static int open_with_mode(char **words)
{
    return done(open(own_path(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, (mode_t)strtoul(words[0], NULL, 8)));
}

static int unnamed_with_mode(char **words)
{
    return done(open(temporary(), O_TMPFILE | O_WRONLY | O_CLOEXEC, (mode_t)strtoul(words[0], NULL, 8)));
}

static int node_with_mode(char **words)
{
    return mknod(own_path(), (mode_t)strtoul(words[0], NULL, 8), 0);
}

/* mkdir leaves those bits out. */
static int directory_with_mode(char **words)
{
    if (mkdir(own_path(), 0700))
        return -1;
    int result = chmod(own_path(), (mode_t)strtoul(words[0], NULL, 8)), error = errno;
    rmdir(own_path());
    errno = error;
    return result;
}

static int mode_by_path(char **words)
{
    long mode = strtol(words[0], NULL, 8);
    return close(own_file()) ? -1 : done(syscall(SYS_fchmodat, AT_FDCWD, own_path(), mode));
}

static int mode_by_newer_call(char **words)
{
    long mode = strtol(words[0], NULL, 8);
    return close(own_file()) ? -1 : done(syscall(452L /* fchmodat2 */, AT_FDCWD, own_path(), mode, 0L));
}

static int whiteout(char **words)
{
    (void)words;
    char to[80];
    close(own_file());
    snprintf(to, sizeof(to), "%s.to", own_path());
    long result = syscall(SYS_renameat2, AT_FDCWD, own_path(), AT_FDCWD, to, 4L /* RENAME_WHITEOUT */);
    int error = errno;
    unlink(to);
    errno = error;
    return done(result);
}

static int lease_for_reading(char **words)
{
    (void)words;
    close(own_file());
    return fcntl(open(own_path(), O_RDONLY | O_CLOEXEC), F_SETLEASE, F_RDLCK);
}

static int lease_for_writing(char **words)
{
    (void)words;
    return fcntl(own_file(), F_SETLEASE, F_WRLCK);
}

static int notes_of_directory(char **words)
{
    signal(SIGIO, SIG_IGN); /* others do something there as we ask */
    return fcntl(open(words[0], O_RDONLY | O_CLOEXEC), F_NOTIFY, 1);
}

static int huge_pages(char **words)
{
    (void)words;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE;
    return mmap(NULL, 2 << 20, PROT_READ, flags, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int merged_pages(char **words)
{
    (void)words;
    void *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return madvise(at, 1 << 20, MADV_MERGEABLE);
}

static int program_at_socket(char **words)
{
    struct sock_filter all = {BPF_RET, 0, 0, 0xffff};
    const struct sock_fprog program = {1, &all};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    return setsockopt(fd, SOL_SOCKET, atoi(words[0]), &program, sizeof(program));
}

static int signature_of_tcp(char **words)
{
    (void)words;
    struct {
        struct sockaddr_storage peer;
        unsigned char flags, prefix;
        unsigned short length;
        int device;
        unsigned char key[80];
    } signature = {.peer = {.ss_family = AF_INET}, .length = 4, .key = "key"};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return setsockopt(fd, IPPROTO_TCP, 14 /* TCP_MD5SIG */, &signature, sizeof(signature));
}

static int layer_over_tcp(char **words)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return setsockopt(fd, IPPROTO_TCP, 31 /* TCP_ULP */, words[0], (socklen_t)strlen(words[0]));
}

/* On a terminal that was made for it: nobody's letters are typed. */
static int on_own_terminal(char **words)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), unlock = 0;
    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock))
        return -1;
    if (setsid() < 0)
        return -1;
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR); /* becomes our controlling terminal */
    return slave < 0 ? -1 : done(syscall(SYS_ioctl, slave, strtoul(words[0], NULL, 0), "x"));
}

/* As it is where the terminal is the launcher's. */
static int on_stdin(char **words)
{
    return done(syscall(SYS_ioctl, 0L, strtoul(words[0], NULL, 0), "x"));
}

/* The program that a process runs; that it is still running keeps it for the moment only. */
static int overwrite(char **words)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%s/exe", words[0]);
    return open(path, O_WRONLY | O_CLOEXEC) >= 0 || errno == ETXTBSY ? 0 : -1;
}

/* Out of a second root, below the one that it has a descriptor of. */
static int leave_root(char **words)
{
    int here = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        tmp = open(temporary(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *name = strrchr(own_path(), '/') + 1;
    if (mkdirat(tmp, name, 0700))
        return -1;
    int result = chroot(own_path()), error = errno;
    unlinkat(tmp, name, AT_REMOVEDIR);
    errno = error;
    if (result || fchdir(here))
        return -1;
    for (int i = 0; i < 64; i++) {
        if (chdir(".."))
            return -1;
    }
    return done(open(words[0] + 1, O_RDONLY | O_CLOEXEC)); /* from where it stands */
}

const struct named ATTEMPTS[] = {
    {"clone", clone_with},
    {"clone3", clone3_with},
    {"clone3-cgroup", clone_into_cgroup},
    {"mount", mount_something},
    {"unmount", unmount},
    {"mount-proc", mount_proc},
    {"trace", trace_child},
    {"memory-by-call", memory_by_call},
    {"pidfd-getfd", own_descriptor_by_pidfd},
    {"limits-of-parent", limits_of_parent},
    {"handle", handle_of_file},
    {"pages-into-pipe", pages_into_pipe},
    {"listener", listen_to_calls},
    {"real-time", real_time},
    {"priority", priority},
    {"open-mode", open_with_mode},
    {"unnamed-mode", unnamed_with_mode},
    {"node-mode", node_with_mode},
    {"directory-mode", directory_with_mode},
    {"path-mode", mode_by_path},
    {"newer-mode", mode_by_newer_call},
    {"whiteout", whiteout},
    {"read-lease", lease_for_reading},
    {"write-lease", lease_for_writing},
    {"directory-notes", notes_of_directory},
    {"huge-pages", huge_pages},
    {"merged-pages", merged_pages},
    {"socket-program", program_at_socket},
    {"tcp-signature", signature_of_tcp},
    {"tcp-layer", layer_over_tcp},
    {"own-terminal", on_own_terminal},
    {"stdin-terminal", on_stdin},
    {"overwrite", overwrite},
    {"leave-root", leave_root},
    {NULL, NULL},
};
