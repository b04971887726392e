/* What hostile code would try, one attempt after the other, each in a child of its own. Prints what the kernel answered:
 * `name 0` when it was done, else `name ERRNO`. It is run outside, too: an attempt that fails there proves nothing. */
#define _GNU_SOURCE
#include <errno.h>
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
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

static const unsigned long GARBAGE = 1ul << 40; /* bits that the kernel cuts off, after a filter has looked */
static char path[64];

static int own_file(void)
{
    snprintf(path, sizeof(path), "/tmp/attempt-%d", getpid());
    return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static long done(long result) { return result < 0 ? -1 : 0; }

static long child(long pid)
{
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, __WALL);
    return done(pid);
}

static long clone_with(unsigned long flags) { return child(syscall(SYS_clone, flags, 0, 0, 0, 0)); }

/* Outside, what follows must not reach the host. */
static int apart(void) { return unshare(CLONE_NEWUSER | CLONE_NEWNS) && geteuid() == 0 ? -1 : 0; }

static long clone3_user(void)
{
    unsigned long arguments[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    return child(syscall(SYS_clone3, arguments, sizeof(arguments)));
}
static long list_mounts(void)
{
    unsigned long ids[8], request[3] = {24, ~0ul, 0};
    return done(syscall(458, request, ids, 8, 0));
}
static long file_handle(void)
{
    struct { struct file_handle head; char space[128]; } handle = {.head.handle_bytes = 128};
    int mount;
    return name_to_handle_at(AT_FDCWD, "/usr", &handle.head, &mount, 0);
}
static long read_memory(void)
{
    char from[8] = "x", to[8];
    struct iovec a = {to, 8}, b = {from, 8};
    return done(process_vm_readv(getpid(), &a, 1, &b, 1, 0));
}
static long limits_of_other(void)
{
    struct rlimit limit;
    return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit);
}
static long make_map(void)
{
    unsigned attributes[32] = {2, 4, 4, 1};
    return done(syscall(SYS_bpf, 0, attributes, 64));
}
static long measure(void)
{
    unsigned attributes[32] = {1, 128, 1}; /* a software event; of this program only */
    ((unsigned long *)attributes)[5] = 1ul << 5 | 1ul << 6;
    return done(syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0));
}
static long ring(void)
{
    char parameters[256] = {0};
    return done(syscall(SYS_io_uring_setup, 2, parameters));
}
static long asynchronous_io(void)
{
    unsigned long context = 0;
    return syscall(SYS_io_setup, 1, &context);
}
static long open_by_struct(void)
{
    unsigned long how[3] = {O_RDONLY};
    return done(syscall(SYS_openat2, AT_FDCWD, "/usr", how, sizeof(how)));
}
static long pages_into_pipe(void)
{
    int ends[2];
    struct iovec part = {path, 1};
    return pipe(ends) ? -1 : done(vmsplice(ends[1], &part, 1, 0));
}
static long ldt(void)
{
#ifdef SYS_modify_ldt
    char space[64];
    return done(syscall(SYS_modify_ldt, 0, space, sizeof(space)));
#else
    return errno = ENOSYS, -1;
#endif
}
static long port(void)
{
#ifdef SYS_ioperm
    return syscall(SYS_ioperm, 0x80, 1, 0);
#else
    return errno = ENOSYS, -1;
#endif
}
static long listener(void)
{
    struct sock_filter allow = {BPF_RET, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog program = {1, &allow};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return done(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}
static long clock_set(void)
{
    struct timex nothing = {0};
    return done(adjtimex(&nothing));
}
static long hooked(void) { return prctl(59, 0, 0, 0, 0); }
static long real_time(void)
{
    struct sched_param parameters = {1};
    return sched_setscheduler(0, SCHED_FIFO, &parameters);
}
static long bind_memory(void)
{
    return syscall(SYS_set_mempolicy, 0, NULL, 0);
}

/* Files that the host would honour. */
static long set_id(unsigned mode) { return fchmod(own_file(), mode); }
static long set_id_by_path(unsigned long mode) { return close(own_file()) ? -1 : syscall(SYS_fchmodat, AT_FDCWD, path, mode); }
static long set_id_newer(void) { return close(own_file()) ? -1 : syscall(452, AT_FDCWD, path, 04755, 0); }
static long set_id_new(void) { return snprintf(path, 64, "/tmp/attempt-%d", getpid()), done(open(path, O_CREAT | O_EXCL | O_WRONLY, 06755)); }
static long set_id_unnamed(void) { return done(open("/tmp", O_TMPFILE | O_WRONLY, 04755)); }
static long set_id_node(void) { return snprintf(path, 64, "/tmp/attempt-%d", getpid()), mknod(path, S_IFREG | 04755, 0); }
static long device(void) { return snprintf(path, 64, "/tmp/attempt-%d", getpid()), mknod(path, S_IFCHR | 0600, 0); }
static long whiteout(void)
{
    char to[80];
    close(own_file());
    snprintf(to, sizeof(to), "%s.to", path);
    long result = syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, to, 4);
    int error = errno;
    unlink(to);
    return errno = error, result;
}
static long lease(int kind) { return fcntl(own_file(), F_SETLEASE, kind); }
static long directory_notes(void) { return fcntl(open("/tmp", O_RDONLY), F_NOTIFY, 1); }
static long write_back(void) { return syncfs(open("/proc", O_RDONLY)); }
static long capability_xattr(void)
{
    unsigned value[5] = {0x02000001, 0xffffffff, 0, 0xffffffff, 0};
    return syscall(SYS_fsetxattr, own_file(), "security.capability", value, 20, 0);
}

/* Memory that is not the step's to have. */
static long huge_pages(void)
{
    void *at = mmap(NULL, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? -1 : 0;
}
static long merged(void)
{
    void *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return madvise(at, 1 << 20, MADV_MERGEABLE);
}
static long locked(void)
{
    void *at = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mlock(at, 16 << 20);
}

/* Sockets. */
static long family(int domain, int type, int protocol) { return done(socket(domain, type, protocol)); }
static long socket_program(int option)
{
    struct sock_filter all = {BPF_RET, 0, 0, 0xffff};
    struct sock_fprog program = {1, &all};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    return setsockopt(fd, SOL_SOCKET, option, &program, sizeof(program));
}
/* TCP_MD5SIG; a kernel without it lacks it. */
static long tcp_signature(void)
{
    struct {
        struct sockaddr_storage peer;
        unsigned char flags, prefix;
        unsigned short length;
        int device;
        unsigned char key[80];
    } signature = {.peer = {.ss_family = AF_INET}, .length = 4, .key = "key"};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    long result = setsockopt(fd, IPPROTO_TCP, 14, &signature, sizeof(signature));
    if (result < 0 && errno == ENOPROTOOPT)
        errno = ENOSYS;
    return result;
}
static long terminal(unsigned long request) { return syscall(SYS_ioctl, 0, request, "x"); }

#define ATTEMPTS                                                                                                       \
    A("unshare-user", unshare(CLONE_NEWUSER))                                                                          \
    A("clone-user", clone_with(CLONE_NEWUSER | SIGCHLD))                                                               \
    A("clone-user-garbage", clone_with(GARBAGE | CLONE_NEWUSER | SIGCHLD))                                             \
    A("clone3-user", clone3_user())                                                                                    \
    A("clone-parent", clone_with(CLONE_PARENT | SIGCHLD))                                                              \
    A("clone-untraced", clone_with(CLONE_UNTRACED | SIGCHLD))                                                          \
    A("mount", apart() ? -1 : mount("none", "/tmp", "tmpfs", 0, NULL))                                                 \
    A("umount", apart() ? -1 : umount2("/proc/kallsyms", MNT_DETACH) && errno == EINVAL ? 0 : -1)                       \
    A("open_tree", done(syscall(SYS_open_tree, AT_FDCWD, "/usr", O_CLOEXEC)))                                          \
    A("listmount", list_mounts())                                                                                      \
    A("setns", setns(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), 0))                                              \
    A("chroot", chroot("/usr"))                                                                                        \
    A("file-handle", file_handle())                                                                                    \
    A("ptrace", ptrace_me())                                                                                           \
    A("process_vm_readv", read_memory())                                                                               \
    A("pidfd_getfd", done(syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, getpid(), 0), 0, 0)))                       \
    A("prlimit-other", limits_of_other())                                                                              \
    A("bpf", make_map())                                                                                               \
    A("perf", measure())                                                                                               \
    A("keyctl", done(syscall(SYS_keyctl, 0, -3, 0)))                                                                   \
    A("add_key", done(syscall(SYS_add_key, "user", "attempt", "x", 1, -2)))                                            \
    A("userfaultfd", done(syscall(SYS_userfaultfd, 1 | O_CLOEXEC)))                                                    \
    A("io_uring", ring())                                                                                              \
    A("io_setup", asynchronous_io())                                                                                   \
    A("openat2", open_by_struct())                                                                                     \
    A("fanotify", done(syscall(SYS_fanotify_init, 0x200, O_RDONLY)))                                                   \
    A("vmsplice", pages_into_pipe())                                                                                   \
    A("modify_ldt", ldt())                                                                                             \
    A("ioperm", port())                                                                                                \
    A("listener", listener())                                                                                          \
    A("adjtimex", clock_set())                                                                                         \
    A("syscall-dispatch", hooked())                                                                                    \
    A("merge-all", prctl(67, 1, 0, 0, 0))                                                                              \
    A("personality", done(personality(ADDR_NO_RANDOMIZE)))                                                             \
    A("personality-garbage", done(syscall(SYS_personality, GARBAGE | ADDR_NO_RANDOMIZE)))                              \
    A("real-time", real_time())                                                                                        \
    A("higher-priority", setpriority(PRIO_PROCESS, 0, -5))                                                             \
    A("io-priority", syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 4))                                                       \
    A("memory-policy", bind_memory())                                                                                  \
    A("set-id", set_id(04755))                                                                                         \
    A("set-id-garbage", set_id(1u << 20 | 02755))                                                                      \
    A("set-id-path", set_id_by_path(06755))                                                                            \
    A("set-id-newer", set_id_newer())                                                                                  \
    A("set-id-open", set_id_new())                                                                                     \
    A("set-id-unnamed", set_id_unnamed())                                                                              \
    A("set-id-node", set_id_node())                                                                                    \
    A("device", device())                                                                                              \
    A("whiteout", whiteout())                                                                                          \
    A("read-lease", close(own_file()) ? -1 : fcntl(open(path, O_RDONLY), F_SETLEASE, F_RDLCK))                         \
    A("write-lease", lease(F_WRLCK))                                                                                   \
    A("hidden-blocks", fallocate(own_file(), 1, 0, 1 << 20))                                                           \
    A("dnotify", directory_notes())                                                                                    \
    A("syncfs", write_back())                                                                                          \
    A("capability-xattr", capability_xattr())                                                                          \
    A("huge-pages", huge_pages())                                                                                      \
    A("huge-memfd", done(syscall(SYS_memfd_create, "attempt", 4)))                                                     \
    A("merge", merged())                                                                                               \
    A("mlock", locked())                                                                                               \
    A("uevent-socket", family(AF_NETLINK, SOCK_RAW, 15))                                                               \
    A("diagnosis-socket", family(AF_NETLINK, SOCK_RAW, 4))                                                             \
    A("packet-socket", family(AF_PACKET, SOCK_RAW, 0))                                                                 \
    A("raw-socket", family(AF_INET, SOCK_RAW, 1))                                                                      \
    A("socket-filter", socket_program(SO_ATTACH_FILTER))                                                               \
    A("port-filter", socket_program(51))                                                                               \
    A("tcp-signature", tcp_signature())                                                                              \
    A("type-into-terminal", terminal(0x5412))                                                                          \
    A("type-garbage", terminal(GARBAGE | 0x5412))                                                                      \
    A("console-paste", terminal(0x541c))                                                                               \
    A("line-discipline", terminal(0x5423))

static long ptrace_me(void) { return syscall(SYS_ptrace, 0, 0, 0, 0); }

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

/* The foreign ABIs, by the number of getpid. */
static int foreign(const char *which)
{
#ifdef __x86_64__
    long answer;
    if (!strcmp(which, "i386"))
        __asm__ volatile("int $0x80" : "=a"(answer) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    else
        answer = syscall(0x40000000 | 39);
    printf("%s %ld\n", which, answer);
#else
    printf("%s none\n", which);
#endif
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return foreign(argv[1]);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            errno = 0;
            long result = attempt(i);
            int error = errno;
            if (path[0])
                unlink(path);
            printf("%s %d\n", NAMES[i], result == 0 ? 0 : error ? error : -1);
            fflush(stdout);
            _exit(0);
        }
        int status;
        waitpid(pid, &status, 0);
        if (status) {
            printf("%s %d\n", NAMES[i], -status);
            fflush(stdout);
        }
    }
    return 0;
}
