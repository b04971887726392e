/* The net namespace of a sandbox: a new one with its loopback up, or that of a sandbox before when it is untouched.
 * Runs in the maker (what an untouched one looks like) and in init, before anything foreign runs there. Making and
 * removing one costs more than everything else that a sandbox needs, and most steps never open a socket.
 *
 * Untouched means: the kernel's counters of sockets, packets and refused attempts, its flow labels and its IPv6 routes
 * read as they did when it was new. Every packet passes the loopback device, the only one, and is counted there; what
 * never became a packet is counted in snmp and snmp6, or shows in the routes that IPv6 remembers. What the kernel still
 * does by itself when all processes have gone, as it reports the members of multicast groups, it does while the
 * namespace rests (spawner/namespaces.c). So nothing that a step did there is left, and there is nothing to find. */
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

static int raise_loopback(void)
{
    autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    return fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
}

/* The kernel hands out whole records, a page of them at a time: what is far from filling one is all there is. */
static ssize_t read_trace(int net, const char *name, char *out, size_t size)
{
    enum { FAR_FROM_A_PAGE = 3072 };
    autoclose int fd = openat(net, name, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read_record(fd, out, size);
    return length < FAR_FROM_A_PAGE ? length : read_descriptor(fd, out, size);
}

/* 0: more than fits, or not to be read, and then nothing is ever used again. */
static size_t read_traces(int proc, char out[TRACES_SIZE])
{
    size_t used = 0;
    autoclose int net = openat(proc, "self/net", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < LENGTH(TRACES); i++) {
        ssize_t length = read_trace(net, TRACES[i].name, out + used, TRACES_SIZE - used);
        if (length < 0 && errno == ENOENT)
            continue; /* a kernel without IPv6 */
        if (length <= 0 || used + (size_t)length + 1 >= TRACES_SIZE)
            return 0;
        used += TRACES[i].first_line ? strcspn(out + used, "\n") : (size_t)length;
    }
    return used;
}

struct lesson {
    size_t length;
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
        if (!raise_loopback())
            lesson->length = read_traces(proc, lesson->traces);
        _exit(0);
    }
    siginfo_t unused;
    while (pid > 0 && waitid(P_PID, (id_t)pid, &unused, WEXITED) && errno == EINTR) {
    }
    untouched_length = pid > 0 ? lesson->length : 0;
    memcpy(untouched, lesson->traces, untouched_length);
    munmap(lesson, sizeof(*lesson));
}

static bool is_untouched(int proc)
{
    static char now[TRACES_SIZE];
    return untouched_length > 0 && read_traces(proc, now) == untouched_length &&
           !memcmp(now, untouched, untouched_length);
}

static int enter_lent(const struct sandbox_start *start)
{
    if (setns(start->net, CLONE_NEWNET))
        return -1;
    if (is_untouched(start->proc))
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
