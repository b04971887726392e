/* What programs need of processes, memory, signals and sockets, and a sandbox must not break. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selftest/works.h"

extern char **environ;

bool runs(const char *script)
{
    char *const arguments[] = {(char[]){"sh"}, (char[]){"-c"}, strdup(script), NULL};
    pid_t pid;
    int status;
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ))
        return false;
    return waitpid(pid, &status, 0) == pid && status == 0;
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
    pid_t pid = waiting_child();
    return pid < 0 || kill(pid, SIGTERM) || waitpid(pid, &status, 0) != pid || WTERMSIG(status) != SIGTERM ? -1 : 0;
}

static int stops_child(char **unused)
{
    (void)unused;
    int status;
    pid_t pid = waiting_child();
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
    if (inotify_add_watch(fd, temporary(), IN_CREATE) < 0 || own_file() < 0)
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

static bool tells_machine(void)
{
    struct sysinfo info;
    return !sysinfo(&info) && info.totalram;
}

static bool shares_segment(void)
{
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    void *at = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    return at != (void *)-1;
}

WORKS_WHEN(runs_shell, runs("exit 0"))
WORKS_WHEN(pipes_shell, runs("printf x | grep -q x"))
WORKS_WHEN(background_of_shell, runs("sleep 0 & wait"))
WORKS_WHEN(here_document, runs("cat <<END | grep -q x\nx\nEND"))
WORKS_WHEN(finds_programs, runs("ls / > /dev/null"))
WORKS_WHEN(named, has_name())
WORKS_WHEN(bound, binds_to_processor())
WORKS_WHEN(limited, lowers_limit())
WORKS_WHEN(random_bytes, gets_random())
WORKS_WHEN(thread_name, names_thread())
WORKS_WHEN(wall_clock, tells_clock(CLOCK_REALTIME))
WORKS_WHEN(cpu_clock, tells_clock(CLOCK_PROCESS_CPUTIME_ID))
WORKS_WHEN(machine, tells_machine())
WORKS_WHEN(segment, shares_segment())
WORKS_WHEN(nice_up, setpriority(PRIO_PROCESS, 0, 5) == 0)
WORKS_WHEN(new_session, fork() || setsid() > 0)

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
    {"works-uname", named},
    {"works-affinity", bound},
    {"works-rlimit", limited},
    {"works-random", random_bytes},
    {"works-thread-name", thread_name},
    {"works-wall-clock", wall_clock},
    {"works-cpu-clock", cpu_clock},
    {"works-sysinfo", machine},
    {"works-segment", segment},
    {"works-nice", nice_up},
    {"works-session", new_session},
    {NULL, NULL},
};
