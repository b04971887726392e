/* What programs need, and a sandbox must not break. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selftest/prober.h"

extern char **environ;

#define WORKS_WHEN(name, condition)                                                                                    \
    static int name(char **unused)                                                                                     \
    {                                                                                                                  \
        (void)unused;                                                                                                  \
        return (condition) ? 0 : -1;                                                                                   \
    }

/* The same as words of a shell would. */
static bool runs(const char *script)
{
    char *const arguments[] = {(char[]){"sh"}, (char[]){"-c"}, strdup(script), NULL};
    pid_t pid;
    int status;
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ))
        return false;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool holds(const char *path, size_t least)
{
    char bytes[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
    close(fd);
    return got >= 0 && (size_t)got >= least;
}

static bool writes(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, "x", 1) == 1 && !close(fd);
}

static int forks(char **unused)
{
    (void)unused;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7 ? 0 : -1;
}

static void *set_flag(void *flag)
{
    *(volatile int *)flag = 1;
    return NULL;
}

static int has_threads(char **unused)
{
    (void)unused;
    volatile int flag = 0;
    pthread_t thread;
    return pthread_create(&thread, NULL, set_flag, (void *)&flag) || pthread_join(thread, NULL) || !flag ? -1 : 0;
}

static int signals_child(char **unused)
{
    (void)unused;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    return pid < 0 || kill(pid, SIGTERM) || waitpid(pid, &status, 0) != pid || WTERMSIG(status) != SIGTERM ? -1 : 0;
}

static int stops_child(char **unused)
{
    (void)unused;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    bool stopped = pid > 0 && !kill(pid, SIGSTOP) && waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status);
    bool continued = stopped && !kill(pid, SIGCONT) && waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status);
    if (pid > 0)
        kill(pid, SIGKILL);
    return continued ? 0 : -1;
}

static volatile sig_atomic_t was_signalled;

static void note_signal(int number)
{
    was_signalled = number;
}

static int handles_timer(char **unused)
{
    (void)unused;
    const struct itimerval soon = {{0, 0}, {0, 2000}};
    signal(SIGALRM, note_signal);
    if (setitimer(ITIMER_REAL, &soon, NULL))
        return -1;
    for (int i = 0; i < 500 && !was_signalled; i++)
        usleep(2000);
    return was_signalled ? 0 : -1;
}

static int writes_code(char **unused)
{
    (void)unused;
    unsigned char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#if defined(__x86_64__)
    const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
#else
    const unsigned char code[] = {0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6}; /* mov w0, #42; ret */
#endif
    if (at == MAP_FAILED)
        return -1;
    memcpy(at, code, sizeof(code));
    __builtin___clear_cache((char *)at, (char *)at + sizeof(code));
    if (mprotect(at, 4096, PROT_READ | PROT_EXEC))
        return -1;
    int (*function)(void);
    memcpy(&function, &at, sizeof(function));
    return function() == 42 ? 0 : -1;
}

static int shares_memory(char **unused)
{
    (void)unused;
    int fd = memfd_create("selftest", MFD_CLOEXEC);
    char *at;
    if (fd < 0 || ftruncate(fd, 4096))
        return -1;
    at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        at[0] = 'y';
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    return at[0] == 'y' ? 0 : -1;
}

static int has_named_semaphores(char **unused)
{
    (void)unused;
    char name[40];
    snprintf(name, sizeof(name), "/selftest-%d", getpid());
    sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
    return semaphore == SEM_FAILED || sem_wait(semaphore) || sem_unlink(name) ? -1 : 0;
}

static int has_shared_names(char **unused)
{
    (void)unused;
    char name[40];
    snprintf(name, sizeof(name), "/selftest-%d", getpid());
    int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
    return fd < 0 || ftruncate(fd, 4096) || shm_unlink(name) ? -1 : 0;
}

static int waits_for_events(char **unused)
{
    (void)unused;
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC), number = eventfd(1, EFD_CLOEXEC);
    return epoll_ctl(epoll, EPOLL_CTL_ADD, number, &event) || epoll_wait(epoll, &event, 1, 1000) != 1 ? -1 : 0;
}

static int reads_timers(char **unused)
{
    (void)unused;
    uint64_t times;
    const struct itimerspec soon = {{0, 0}, {0, 1000000}};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    return timerfd_settime(fd, 0, &soon, NULL) || read(fd, &times, 8) != 8 ? -1 : 0;
}

static int reads_signals(char **unused)
{
    (void)unused;
    sigset_t set;
    struct signalfd_siginfo info;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    raise(SIGUSR2);
    return read(fd, &info, sizeof(info)) == sizeof(info) ? 0 : -1;
}

static int watches_files(char **unused)
{
    (void)unused;
    char events[1024];
    int fd = inotify_init1(IN_CLOEXEC);
    if (inotify_add_watch(fd, "/tmp", IN_CREATE) < 0 || own_file() < 0)
        return -1;
    return read(fd, events, sizeof(events)) > 0 ? 0 : -1;
}

static int passes_descriptors(char **unused)
{
    (void)unused;
    int pair[2];
    char byte = 'x', space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &pair[0], sizeof(int));
    return sendmsg(pair[0], &message, 0) == 1 && recvmsg(pair[1], &message, 0) == 1 && CMSG_FIRSTHDR(&message) ? 0 : -1;
}

static int talks_over(int family, int type, const void *loopback, socklen_t size)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char byte = 0;
    int server = socket(family, type | SOCK_CLOEXEC, 0), client = socket(family, type | SOCK_CLOEXEC, 0);
    if (bind(server, loopback, size) || (type == SOCK_STREAM && listen(server, 1)) ||
        getsockname(server, (struct sockaddr *)&address, &length) ||
        connect(client, (struct sockaddr *)&address, length) || send(client, "x", 1, 0) != 1)
        return -1;
    int end = type == SOCK_STREAM ? accept4(server, NULL, NULL, SOCK_CLOEXEC) : server;
    return recv(end, &byte, 1, 0) == 1 && byte == 'x' ? 0 : -1;
}

static int talks_over_tcp(char **unused)
{
    (void)unused;
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return talks_over(AF_INET, SOCK_STREAM, &address, sizeof(address));
}

static int talks_over_udp(char **unused)
{
    (void)unused;
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return talks_over(AF_INET, SOCK_DGRAM, &address, sizeof(address));
}

static int talks_over_unix(char **unused)
{
    (void)unused;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "selftest-%d", getpid());
    return talks_over(AF_UNIX, SOCK_STREAM, &address, sizeof(address));
}

static int has_loopback(char **unused)
{
    (void)unused;
    return if_nametoindex("lo") ? 0 : -1;
}

static bool in_tmp(int (*use)(const char *path, const char *other))
{
    char path[64], other[64];
    snprintf(path, sizeof(path), "/tmp/selftest-a-%d", getpid());
    snprintf(other, sizeof(other), "/tmp/selftest-b-%d", getpid());
    int failed = use(path, other), error = errno;
    unlink(path);
    unlink(other);
    rmdir(path);
    errno = error;
    return !failed;
}

static int write_new(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    return fd < 0 || write(fd, "#!/bin/sh\nexit 0\n", 17) != 17 || close(fd) ? -1 : 0;
}

static int use_rename(const char *path, const char *other)
{
    return write_new(path) || rename(path, other);
}

static int use_link(const char *path, const char *other)
{
    return write_new(path) || link(path, other);
}

static int use_symlink(const char *path, const char *other)
{
    return write_new(path) || symlink(path, other) || !holds(other, 17);
}

static int use_directory(const char *path, const char *other)
{
    (void)other;
    return mkdir(path, 0700) || rmdir(path);
}

static int use_fifo(const char *path, const char *other)
{
    (void)other;
    return mkfifo(path, 0600) || open(path, O_RDWR | O_CLOEXEC) < 0;
}

static int use_times(const char *path, const char *other)
{
    (void)other;
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    return write_new(path) || utimensat(AT_FDCWD, path, times, 0);
}

static int use_modes(const char *path, const char *other)
{
    (void)other;
    return write_new(path) || chmod(path, 0640);
}

static int use_program(const char *path, const char *other)
{
    (void)other;
    return write_new(path) || !runs(path);
}

static int use_lock(const char *path, const char *other)
{
    (void)other;
    return write_new(path) || flock(open(path, O_RDONLY | O_CLOEXEC), LOCK_EX);
}

static int use_record_lock(const char *path, const char *other)
{
    (void)other;
    struct flock lock = {.l_type = F_WRLCK};
    return write_new(path) || fcntl(open(path, O_RDWR | O_CLOEXEC), F_SETLK, &lock);
}

static int use_mapping(const char *path, const char *other)
{
    (void)other;
    if (write_new(path))
        return -1;
    return mmap(NULL, 17, PROT_READ | PROT_WRITE, MAP_SHARED, open(path, O_RDWR | O_CLOEXEC), 0) == MAP_FAILED ? -1 : 0;
}

static int use_sync(const char *path, const char *other)
{
    (void)other;
    return write_new(path) || fsync(open(path, O_RDWR | O_CLOEXEC));
}

static int use_sendfile(const char *path, const char *other)
{
    if (write_new(path) || write_new(other))
        return -1;
    int from = open(path, O_RDONLY | O_CLOEXEC), to = open(other, O_WRONLY | O_CLOEXEC);
    return sendfile(to, from, NULL, 17) != 17;
}

static int use_copy_range(const char *path, const char *other)
{
    if (write_new(path) || write_new(other))
        return -1;
    int from = open(path, O_RDONLY | O_CLOEXEC), to = open(other, O_WRONLY | O_CLOEXEC);
    return copy_file_range(from, NULL, to, NULL, 17, 0) != 17;
}

static int use_splice(const char *path, const char *other)
{
    (void)other;
    int ends[2];
    if (write_new(path) || pipe2(ends, O_CLOEXEC))
        return -1;
    return splice(open(path, O_RDONLY | O_CLOEXEC), NULL, ends[1], NULL, 17, 0) != 17;
}

static int use_space(const char *path, const char *other)
{
    (void)other;
    return write_new(path) || posix_fallocate(open(path, O_RDWR | O_CLOEXEC), 0, 65536);
}

static int lists(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    while (directory && readdir(directory))
        count++;
    return count > 2;
}

static bool has_name(void)
{
    struct utsname names;
    return !uname(&names) && names.sysname[0];
}

static bool binds_to_processor(void)
{
    cpu_set_t set;
    return !sched_getaffinity(0, sizeof(set), &set) && !sched_setaffinity(0, sizeof(set), &set);
}

static bool lowers_limit(void)
{
    struct rlimit limit;
    return !getrlimit(RLIMIT_NOFILE, &limit) && !setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, limit.rlim_max});
}

static bool gets_random(void)
{
    char bytes[16];
    return getrandom(bytes, sizeof(bytes), 0) == 16;
}

static bool names_thread(void)
{
    char name[16] = "";
    return !prctl(PR_SET_NAME, "selftest", 0, 0, 0) && !prctl(PR_GET_NAME, name, 0, 0, 0) && !strcmp(name, "selftest");
}

static bool tells_clock(clockid_t clock)
{
    struct timespec now;
    return !clock_gettime(clock, &now) && (now.tv_sec || now.tv_nsec);
}

static bool tells_space(void)
{
    struct statvfs space;
    return !statvfs("/tmp", &space) && space.f_blocks;
}

static bool tells_machine(void)
{
    struct sysinfo info;
    return !sysinfo(&info) && info.totalram;
}

static bool tells_file(void)
{
    struct statx status;
    return !statx(AT_FDCWD, "/usr", 0, STATX_BASIC_STATS, &status);
}

static bool has_id_entry(void)
{
    return holds("/etc/passwd", 1) && runs("test -n \"$(id -u)\"");
}

static bool shares_segment(void)
{
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    void *at = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    return at != (void *)-1;
}

static bool has_unnamed_file(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd >= 0 && write(fd, "x", 1) == 1;
}

WORKS_WHEN(runs_shell, runs("exit 0"))
WORKS_WHEN(pipes_shell, runs("printf x | grep -q x"))
WORKS_WHEN(background_of_shell, runs("sleep 0 & wait"))
WORKS_WHEN(here_document, runs("cat <<END | grep -q x\nx\nEND"))
WORKS_WHEN(finds_programs, runs("ls / > /dev/null"))
WORKS_WHEN(writes_null, writes("/dev/null"))
WORKS_WHEN(reads_zero, holds("/dev/zero", 4096))
WORKS_WHEN(reads_urandom, holds("/dev/urandom", 16))
WORKS_WHEN(has_full, open("/dev/full", O_WRONLY | O_CLOEXEC) >= 0)
WORKS_WHEN(has_fd_links, runs("printf x | cat /dev/stdin | grep -q x"))
WORKS_WHEN(writes_dev_stdout, runs("echo x > /dev/stderr"))
WORKS_WHEN(own_program, readlink("/proc/self/exe", (char[256]){0}, 255) > 0)
WORKS_WHEN(own_maps, holds("/proc/self/maps", 10))
WORKS_WHEN(own_status, holds("/proc/self/status", 10))
WORKS_WHEN(own_descriptors, lists("/proc/self/fd"))
WORKS_WHEN(own_threads, lists("/proc/self/task"))
WORKS_WHEN(cpu_facts, holds("/proc/cpuinfo", 10))
WORKS_WHEN(memory_facts, holds("/proc/meminfo", 10))
WORKS_WHEN(lists_usr, lists("/usr"))
WORKS_WHEN(renames, in_tmp(use_rename))
WORKS_WHEN(links, in_tmp(use_link))
WORKS_WHEN(links_by_name, in_tmp(use_symlink))
WORKS_WHEN(makes_directories, in_tmp(use_directory))
WORKS_WHEN(makes_fifos, in_tmp(use_fifo))
WORKS_WHEN(sets_times, in_tmp(use_times))
WORKS_WHEN(sets_modes, in_tmp(use_modes))
WORKS_WHEN(executes_own, in_tmp(use_program))
WORKS_WHEN(locks, in_tmp(use_lock))
WORKS_WHEN(locks_records, in_tmp(use_record_lock))
WORKS_WHEN(maps_files, in_tmp(use_mapping))
WORKS_WHEN(syncs, in_tmp(use_sync))
WORKS_WHEN(sends_files, in_tmp(use_sendfile))
WORKS_WHEN(copies_ranges, in_tmp(use_copy_range))
WORKS_WHEN(splices, in_tmp(use_splice))
WORKS_WHEN(reserves_space, in_tmp(use_space))
WORKS_WHEN(unnamed_file, has_unnamed_file())
WORKS_WHEN(named, has_name())
WORKS_WHEN(bound, binds_to_processor())
WORKS_WHEN(limited, lowers_limit())
WORKS_WHEN(random_bytes, gets_random())
WORKS_WHEN(thread_name, names_thread())
WORKS_WHEN(wall_clock, tells_clock(CLOCK_REALTIME))
WORKS_WHEN(cpu_clock, tells_clock(CLOCK_PROCESS_CPUTIME_ID))
WORKS_WHEN(space, tells_space())
WORKS_WHEN(machine, tells_machine())
WORKS_WHEN(file_facts, tells_file())
WORKS_WHEN(id_entry, has_id_entry())
WORKS_WHEN(segment, shares_segment())
WORKS_WHEN(nice_up, setpriority(PRIO_PROCESS, 0, 5) == 0)
WORKS_WHEN(new_session, fork() || setsid() > 0)
WORKS_WHEN(home, chdir(getenv("HOME") ? getenv("HOME") : "/") == 0)

const struct named WORKS[] = {
    {"works-fork", forks},
    {"works-threads", has_threads},
    {"works-signals", signals_child},
    {"works-stop", stops_child},
    {"works-itimer", handles_timer},
    {"works-code", writes_code},
    {"works-memfd", shares_memory},
    {"works-semaphores", has_named_semaphores},
    {"works-shm", has_shared_names},
    {"works-epoll", waits_for_events},
    {"works-timerfd", reads_timers},
    {"works-signalfd", reads_signals},
    {"works-inotify", watches_files},
    {"works-descriptors", passes_descriptors},
    {"works-tcp", talks_over_tcp},
    {"works-udp", talks_over_udp},
    {"works-unix", talks_over_unix},
    {"works-loopback", has_loopback},
    {"works-shell", runs_shell},
    {"works-pipe", pipes_shell},
    {"works-background", background_of_shell},
    {"works-here-document", here_document},
    {"works-programs", finds_programs},
    {"works-null", writes_null},
    {"works-zero", reads_zero},
    {"works-urandom", reads_urandom},
    {"works-full", has_full},
    {"works-dev-fd", has_fd_links},
    {"works-dev-stderr", writes_dev_stdout},
    {"works-own-program", own_program},
    {"works-own-maps", own_maps},
    {"works-own-status", own_status},
    {"works-own-descriptors", own_descriptors},
    {"works-own-threads", own_threads},
    {"works-cpuinfo", cpu_facts},
    {"works-meminfo", memory_facts},
    {"works-usr", lists_usr},
    {"works-rename", renames},
    {"works-link", links},
    {"works-symlink", links_by_name},
    {"works-directory", makes_directories},
    {"works-fifo", makes_fifos},
    {"works-times", sets_times},
    {"works-modes", sets_modes},
    {"works-execute", executes_own},
    {"works-flock", locks},
    {"works-record-lock", locks_records},
    {"works-mapping", maps_files},
    {"works-fsync", syncs},
    {"works-sendfile", sends_files},
    {"works-copy-range", copies_ranges},
    {"works-splice", splices},
    {"works-space", reserves_space},
    {"works-unnamed-file", unnamed_file},
    {"works-uname", named},
    {"works-affinity", bound},
    {"works-rlimit", limited},
    {"works-random", random_bytes},
    {"works-thread-name", thread_name},
    {"works-wall-clock", wall_clock},
    {"works-cpu-clock", cpu_clock},
    {"works-statvfs", space},
    {"works-sysinfo", machine},
    {"works-statx", file_facts},
    {"works-id", id_entry},
    {"works-segment", segment},
    {"works-nice", nice_up},
    {"works-session", new_session},
    {"works-home", home},
    {NULL, NULL},
};
