/* The parked step: confined completely, it waits for one job and becomes it.
 * Runs our own code without any privilege; the job comes from the app by way of the spawner. After execve nothing of us
 * is left. */
#include "sandbox/internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/packet.h"

static int send_report(int socket, struct report *report, int descriptor)
{
    struct iovec part = {report, sizeof(*report)};
    return send_packet(socket, &part, 1, &descriptor, descriptor < 0 ? 0 : 1, 0);
}

_Noreturn static void refuse(int socket, enum stage stage, const char *path)
{
    struct report report = {.kind = REPORT_REFUSED};
    fail(&report.failure, stage, path);
    send_report(socket, &report, -1);
    _exit(127);
}

static int park(struct sandbox_start *start)
{
    struct confined confined = {.listener = -1};
    struct report report = {.kind = REPORT_PARKED};
    if (confine_step(start, &confined, &report.failure)) {
        report_failure(start->report, &report.failure);
        return -1;
    }
    report.securebits = (uint32_t)prctl(PR_GET_SECUREBITS);
    report.landlock = confined.landlock;
    int failed = send_report(start->report, &report, confined.listener);
    if (failed) { /* too many descriptors are on their way: without the listener nobody would know that it waits */
        fail(&report.failure, STAGE_RESOURCES, NULL);
        report_failure(start->report, &report.failure);
    }
    close_descriptor(&confined.listener);
    return failed;
}

/* The message, either behind the job's header or in a memfd. */
static struct bytes message_of(const struct job *job, const uint8_t *packet, const struct packet *received,
                               size_t *used)
{
    struct bytes message = {packet + sizeof(*job), received->length - sizeof(*job)};
    if (!job->in_memory_file)
        return message;
    *used = 1;
    void *memory = mmap(NULL, job->message_length, PROT_READ, MAP_PRIVATE, received->descriptors[0], 0);
    message.data = memory == MAP_FAILED ? NULL : memory;
    message.length = job->message_length;
    return message;
}

/* Pipes go to 0, 1, 2; what has none gets the sandbox's own /dev/null. */
static int place_standard(const struct start *start, const int *pipes, size_t pipe_count)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    size_t next = 0;
    int wanted[3];
    for (int i = 0; i < 3; i++) {
        if (start->standard[i] == STDIO_PIPE && next == pipe_count)
            return -1;
        wanted[i] = start->standard[i] == STDIO_PIPE ? pipes[next++] : null;
        /* Out of the way of 0, 1 and 2 first. */
        if (wanted[i] >= 0 && wanted[i] < 3)
            wanted[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, 3);
        if (wanted[i] < 0)
            return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (dup3(wanted[i], i, 0) < 0)
            return -1;
    }
    return 0;
}

static int limit(__rlimit_resource_t resource, rlim_t soft, rlim_t hard)
{
    struct rlimit now;
    if (getrlimit(resource, &now))
        return -1;
    struct rlimit wanted = {soft, hard};
    if (hard > now.rlim_max) {
        errno = EPERM;
        return -1;
    }
    return setrlimit(resource, &wanted);
}

static int set_limits(const struct limits *limits, uint32_t process_limit)
{
    if (limits->open_files && limit(RLIMIT_NOFILE, limits->open_files, limits->open_files))
        return -1;
    if (limits->file_size_bytes && limit(RLIMIT_FSIZE, limits->file_size_bytes, limits->file_size_bytes))
        return -1;
    /* Behind the spawner's own clock, which counts all processes: a second later, so that it is the spawner who tells
     * the cause. */
    rlim_t seconds = (limits->cpu_time_ms + 1999) / 1000;
    if (limits->cpu_time_ms && limit(RLIMIT_CPU, seconds, seconds + 1))
        return -1;
    return process_limit && limit(RLIMIT_NPROC, process_limit, process_limit) ? -1 : 0;
}

/* Errors that mean "not here, look further", as execvp(3) has it. */
static bool look_further(int error)
{
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ESTALE || error == ENODEV;
}

static void execute_in_path(const char *file, char **argv, char **env)
{
    const char *path = "/usr/local/bin:/usr/bin:/bin";
    for (char **entry = env; *entry; entry++) {
        if (!strncmp(*entry, "PATH=", 5))
            path = *entry + 5;
    }
    bool refused = false;
    char candidate[PATH_LIMIT * 2];
    for (const char *at = path;; at++) {
        size_t length = strcspn(at, ":");
        int written = snprintf(candidate, sizeof(candidate), "%.*s%s%s", (int)length, at, length ? "/" : "./", file);
        if (written > 0 && (size_t)written < sizeof(candidate)) {
            execve(candidate, argv, env);
            if (!look_further(errno))
                return;
            refused |= errno == EACCES;
        }
        at += length;
        if (!*at)
            break;
    }
    errno = refused ? EACCES : ENOENT;
}

_Noreturn static void execute(const struct sandbox_start *sandbox, struct bytes body, const struct start *start)
{
    char **argv = calloc(start->argv_count + start->env_count + 2, sizeof(char *));
    char *text = malloc(body.length + 1);
    char file[PATH_LIMIT + 1], cwd[PATH_LIMIT + 1];
    if (!argv || !text)
        refuse(sandbox->report, STAGE_RESOURCES, NULL);
    char **env = &argv[start->argv_count + 1];
    read_arguments(body, argv, env, text);
    memcpy(file, start->file.data, start->file.length);
    file[start->file.length] = 0;
    memcpy(cwd, start->cwd.data, start->cwd.length);
    cwd[start->cwd.length] = 0;
    if (chdir(cwd))
        refuse(sandbox->report, STAGE_WORK_DIRECTORY, cwd);
    if (strchr(file, '/'))
        execve(file, argv, env);
    else
        execute_in_path(file, argv, env);
    bool missing = errno == ENOENT || errno == ENOTDIR;
    refuse(sandbox->report, missing ? STAGE_COMMAND_NOT_FOUND : STAGE_COMMAND_NOT_EXECUTABLE, file);
}

_Noreturn void step_main(struct sandbox_start *sandbox)
{
    static uint8_t packet[sizeof(struct job) + PACKET_LIMIT];
    struct packet received;
    struct job job;
    if (park(sandbox))
        _exit(1);
    if (receive_packet(sandbox->jobs, packet, sizeof(packet), &received, 0) <= 0)
        _exit(0); /* the spawner does not need us any more */
    if (received.truncated || received.length < sizeof(job)) {
        errno = EMFILE;
        refuse(sandbox->report, STAGE_RESOURCES, NULL);
    }
    memcpy(&job, packet, sizeof(job));
    size_t used = 0;
    struct bytes message = message_of(&job, packet, &received, &used);
    struct start start;
    if (!message.data || job.body_offset > message.length || job.body_length > message.length - job.body_offset)
        refuse(sandbox->report, STAGE_PROTOCOL, NULL);
    struct bytes body = {&message.data[job.body_offset], job.body_length};
    if (read_start(body, &start))
        refuse(sandbox->report, STAGE_PROTOCOL, NULL);
    if (place_standard(&start, received.descriptors + used, received.descriptor_count - used))
        refuse(sandbox->report, STAGE_RESOURCES, NULL);
    umask(022);
    if (set_limits(&start.limits, job.process_limit))
        refuse(sandbox->report, STAGE_EXEC_LIMITS, NULL);
    /* Nothing of ours may pass this line: everything but 0, 1, 2 goes at execve. */
    if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC))
        refuse(sandbox->report, STAGE_RESOURCES, NULL);
    execute(sandbox, body, &start);
}
