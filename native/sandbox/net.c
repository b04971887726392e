/* The net namespace of a sandbox: a new one with its loopback up, or one that came back untouched from a sandbox
 * before. Runs in the maker (what an untouched one looks like) and in init (which one, and whether it still looks so).
 * Making and removing one costs more than everything else that a sandbox needs, and most steps never open a socket.
 *
 * Untouched means: the kernel's counters of sockets, packets and refused attempts, and its table of flow labels, read
 * as they did when it was new. Every packet in it passes the loopback device, its only one, and is counted there; what
 * never became a packet is counted in snmp and snmp6, or shows in the routes that IPv6 remembers. What the kernel does
 * later on its own, as it reports the members of multicast groups, are packets: who gets the namespace looks at the
 * device once more. So nothing that a step did there is left, and there is nothing to find for the next one. */
#include "sandbox/internal.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { TRACES_SIZE = 16 << 10 };

/* The first line of sockstat counts the namespace's sockets of all families; what follows counts the whole host's. */
static const struct {
    const char *name;
    bool first_line;
} TRACES[] = {
    {"dev", false},           {"sockstat", true},   {"snmp", false},       {"snmp6", false},
    {"ip6_flowlabel", false}, {"rt6_stats", false}, {"ipv6_route", false},
};

static char untouched[TRACES_SIZE]; /* the maker's, and every init's copy of it */
static size_t untouched_length;     /* 0: nothing to compare with */
static size_t untouched_device;     /* how much of it is the first file */

static int raise_loopback(void)
{
    autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    return fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
}

/* 0: more than fits, or not to be read, and then nothing is ever used again. */
static size_t read_traces(int proc, size_t count, char out[TRACES_SIZE])
{
    size_t used = 0;
    autoclose int net = openat(proc, "self/net", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < count; i++) {
        ssize_t length = read_file_at(net, TRACES[i].name, out + used, TRACES_SIZE - used);
        if (length < 0 && errno == ENOENT)
            continue; /* a kernel without IPv6 */
        if (length <= 0 || used + (size_t)length + 1 >= TRACES_SIZE)
            return 0;
        used += TRACES[i].first_line ? strcspn(out + used, "\n") : (size_t)length;
    }
    return used;
}

struct lesson {
    size_t length, device;
    char traces[TRACES_SIZE];
};

void learn_untouched_net(int proc)
{
    struct lesson *lesson = mmap(NULL, sizeof(*lesson), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (lesson == MAP_FAILED)
        return;
    struct clone_args arguments = {.flags = CLONE_NEWNET, .exit_signal = SIGCHLD};
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
    if (pid == 0) {
        if (!raise_loopback()) {
            lesson->device = read_traces(proc, 1, lesson->traces);
            lesson->length = read_traces(proc, LENGTH(TRACES), lesson->traces);
        }
        _exit(0);
    }
    siginfo_t unused;
    while (pid > 0 && waitid(P_PID, (id_t)pid, &unused, WEXITED) && errno == EINTR) {
    }
    untouched_length = pid > 0 ? lesson->length : 0;
    untouched_device = lesson->device;
    memcpy(untouched, lesson->traces, untouched_length);
    munmap(lesson, sizeof(*lesson));
}

static bool looks_untouched(int proc, size_t count, size_t length)
{
    static char now[TRACES_SIZE];
    return length > 0 && read_traces(proc, count, now) == length && !memcmp(now, untouched, length);
}

bool is_untouched_net(void)
{
    autoclose int proc = untouched_length ? open("/proc", O_DIRECTORY | O_CLOEXEC) : -1;
    return proc >= 0 && looks_untouched(proc, LENGTH(TRACES), untouched_length);
}

static int enter_lent(const struct sandbox_start *start)
{
    if (setns(start->net, CLONE_NEWNET))
        return -1;
    if (looks_untouched(start->proc, 1, untouched_device))
        return 0;
    return unshare(CLONE_NEWNET) ? -1 : raise_loopback();
}

int enter_net(struct sandbox_start *start, struct failure *failure)
{
    if (start->policy->host_network)
        return 0;
    int failed = start->net >= 0 ? enter_lent(start) : raise_loopback();
    close_descriptor(&start->net);
    return failed ? fail_layer(failure, LAYER_NET) : 0;
}
