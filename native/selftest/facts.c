/* What a process is told of itself. */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "selftest/prober.h"

static uint64_t set_of(int which)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
    syscall(SYS_capget, &header, data);
    const uint32_t low[] = {data[0].effective, data[0].permitted, data[0].inheritable};
    const uint32_t high[] = {data[1].effective, data[1].permitted, data[1].inheritable};
    return (uint64_t)high[which] << 32 | low[which];
}

static uint64_t asked_one_by_one(bool ambient)
{
    uint64_t set = 0;
    for (unsigned i = 0; i < 64; i++) {
        int has = ambient ? prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) : prctl(PR_CAPBSET_READ, i, 0, 0, 0);
        set |= has == 1 ? (uint64_t)1 << i : 0;
    }
    return set;
}

static int capabilities(char **words)
{
    static const char *const SETS[] = {"effective", "permitted", "inheritable"};
    for (int i = 0; i < 3; i++) {
        if (!strcmp(words[0], SETS[i]))
            return tell("%llx", (unsigned long long)set_of(i));
    }
    return tell("%llx", (unsigned long long)asked_one_by_one(!strcmp(words[0], "ambient")));
}

static int told_by(long answer)
{
    return answer < 0 ? -1 : tell("%ld", answer);
}

static int secure_bits(char **words)
{
    (void)words;
    return told_by(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
}

static int no_new_privileges(char **words)
{
    (void)words;
    return told_by(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static int seccomp_mode(char **words)
{
    (void)words;
    return told_by(prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
}

static int user(char **words)
{
    (void)words;
    return tell("%u %u %u %u", getuid(), geteuid(), getgid(), getegid());
}

static int groups(char **words)
{
    (void)words;
    gid_t list[256];
    return told_by(getgroups(256, list));
}

static int become(char **words)
{
    uid_t id = (uid_t)strtoul(words[0], NULL, 0);
    return setresuid(id, id, id);
}

static int join_group(char **words)
{
    gid_t id = (gid_t)strtoul(words[0], NULL, 0);
    return setgroups(1, &id);
}

/* From outside of the id maps of a namespace of its own nothing is mapped but what it was given. */
static int maps_more(char **words)
{
    unsigned long inside, outside, count, all = 0;
    FILE *map = fopen(words[0], "re");
    while (map && fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3)
        all += count;
    if (!map)
        return -1;
    errno = EPERM;
    return all > 65536 ? tell("%lu", all) : -1;
}

static int host_name(char **words)
{
    (void)words;
    struct utsname names;
    return uname(&names) ? -1 : tell("%s", names.nodename);
}

static int limit(char **words)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)atoi(words[0]), &limit))
        return -1;
    return limit.rlim_max == RLIM_INFINITY ? tell("unlimited") : tell("%llu", (unsigned long long)limit.rlim_max);
}

/* Of one that is in another pid namespace there is no number. */
static int session(char **words)
{
    char namespace[64] = "";
    pid_t id = getsid(0);
    if (readlink("/proc/self/ns/pid", namespace, sizeof(namespace) - 1) < 0)
    namespace[0] = 0;
    errno = EPERM;
    return id == 0 || (id == atoi(words[0]) && !strcmp(namespace, words[1])) ? tell("%d", id) : -1;
}

/* A path that is none of a root. */
static int cgroup(char **words)
{
    (void)words;
    char line[512];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof(line), file)) {
        const char *path = strrchr(line, ':');
        if (path && strcmp(path, ":/\n"))
            return tell("%.200s", path + 1);
    }
    if (file)
        errno = ENODATA;
    return -1;
}

static int terminal(char **words)
{
    (void)words;
    return done(open("/dev/tty", O_RDWR | O_CLOEXEC));
}

static int dumps_core(char **words)
{
    (void)words;
    struct rlimit limit;
    errno = EPERM;
    return getrlimit(RLIMIT_CORE, &limit) || limit.rlim_max <= 1 ? -1 : 0;
}

const struct named FACTS[] = {
    {"capabilities", capabilities},
    {"securebits", secure_bits},
    {"no-new-privs", no_new_privileges},
    {"seccomp", seccomp_mode},
    {"user", user},
    {"groups", groups},
    {"become", become},
    {"join-group", join_group},
    {"maps-more", maps_more},
    {"hostname", host_name},
    {"limit", limit},
    {"session", session},
    {"cgroup", cgroup},
    {"terminal", terminal},
    {"dumps-core", dumps_core},
    {NULL, NULL},
};
