/* The job of a parked step: reports that it waits, and takes what comes. Used by a step that its init forked and by one
 * that a zygote forked; both are confined by then. */
#include "sandbox/internal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/packet.h"

static int send_report(int socket, struct report *report, int descriptor)
{
    struct iovec part = {report, sizeof(*report)};
    return send_packet(socket, &part, 1, &descriptor, descriptor < 0 ? 0 : 1, 0);
}

int report_failure(int socket, const struct failure *failure)
{
    struct report report = {.kind = REPORT_FAILED, .failure = *failure};
    return send_report(socket, &report, -1);
}

void report_refusal(int socket, const struct failure *failure)
{
    struct report report = {.kind = REPORT_REFUSED, .failure = *failure};
    send_report(socket, &report, -1);
}

int confine_parked(struct sandbox_start *start, struct report *report, int *listener)
{
    struct confined confined = {.listener = -1};
    *report = (struct report){.kind = REPORT_PARKED};
    if (confine_step(start, &confined, &report->failure)) {
        report_failure(start->report, &report->failure);
        return -1;
    }
    report->securebits = (uint32_t)prctl(PR_GET_SECUREBITS);
    report->landlock = confined.landlock;
    report->own_cores = confined.own_cores;
    *listener = confined.listener;
    return 0;
}

int report_parked(const struct sandbox_start *start, struct report *report, int *listener)
{
    int failed = send_report(start->report, report, *listener);
    if (failed) { /* too many descriptors are on their way: without the listener nobody would know that it waits */
        fail(&report->failure, STAGE_RESOURCES, NULL);
        report_failure(start->report, &report->failure);
    }
    close_descriptor(listener);
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
    /* Also where no execve follows, nothing else may hold a pipe open. */
    for (int i = 0; i < 3; i++) {
        if (wanted[i] != null && wanted[i] >= 3)
            close(wanted[i]);
    }
    if (null >= 3)
        close(null);
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

/* What a program that boots has used before it has its job is none of the job's. */
static rlim_t used_seconds(void)
{
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used))
        return 0;
    return (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec +
                    (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000000);
}

static int limit_files(uint64_t asked, uint64_t most)
{
    struct rlimit now;
    if (most > 0 && (asked == 0 || most < asked)) {
        if (getrlimit(RLIMIT_FSIZE, &now))
            return -1;
        asked = most < now.rlim_max ? most : now.rlim_max;
    }
    return asked ? limit(RLIMIT_FSIZE, asked, asked) : 0;
}

static int set_limits(const struct limits *limits, const struct job *job)
{
    if (limits->open_files && limit(RLIMIT_NOFILE, limits->open_files, limits->open_files))
        return -1;
    if (limit_files(limits->file_size_bytes, job->file_limit))
        return -1;
    /* Behind the spawner's own clock, which counts all processes: a second later, so that it is the spawner who tells
     * the cause. */
    rlim_t seconds = (limits->cpu_time_ms + 1999) / 1000 + used_seconds();
    if (limits->cpu_time_ms && limit(RLIMIT_CPU, seconds, seconds + 1))
        return -1;
    return job->process_limit && limit(RLIMIT_NPROC, job->process_limit, job->process_limit) ? -1 : 0;
}

/* The numbers of the pipes are gone with place_standard(). */
static void close_rest(struct packet *received, size_t used, size_t pipes)
{
    for (size_t i = 0; i < received->descriptor_count; i++) {
        if (i < used || i >= used + pipes)
            close_descriptor(&received->descriptors[i]);
    }
}

static int move_up(int *fd, int lowest)
{
    int moved = *fd < lowest ? fcntl(*fd, F_DUPFD_CLOEXEC, lowest) : *fd;
    if (moved < 0)
        return -1;
    if (moved != *fd)
        close(*fd);
    *fd = moved;
    return 0;
}

/* They stay at their numbers, but for those that are stdin's, stdout's and stderr's: a runtime has descriptors of its
 * own from 3 on. */
static int keep_further(int *received, size_t count, int *further)
{
    for (size_t i = 0; i < count; i++) {
        further[i] = take_descriptor(&received[i]);
        if (move_up(&further[i], 3))
            return -1;
    }
    return 0;
}

/* To 3, 4 and so on; all that we still need goes out of their way first. */
static int place_further(struct sandbox_start *sandbox, int *further, int count)
{
    if (count == 0)
        return 0;
    close_descriptor(&sandbox->jobs);
    if (move_up(&sandbox->report, 3 + count))
        return -1;
    for (int i = 0; i < count; i++) {
        if (move_up(&further[i], 3 + count))
            return -1;
    }
    for (int i = 0; i < count; i++) {
        if (dup3(further[i], 3 + i, 0) < 0)
            return -1;
        close(further[i]);
        further[i] = 3 + i;
    }
    return 0;
}

static int take_job(struct sandbox_start *sandbox, bool executes, const uint8_t *packet, struct packet *received,
                    struct received_job *out, struct failure *failure)
{
    struct job job;
    size_t used = 0, control = 0;
    memcpy(&job, packet, sizeof(job));
    struct bytes message = message_of(&job, packet, received, &used);
    if (!message.data || job.body_offset > message.length || job.body_length > message.length - job.body_offset)
        return fail(failure, STAGE_PROTOCOL, NULL);
    out->body = (struct bytes){&message.data[job.body_offset], job.body_length};
    out->boots = job.boots;
    /* What is built in is in this program, and in no other that takes jobs. */
    if (read_start(out->body, &out->start) || (out->start.builtin && (!executes || job.boots)))
        return fail(failure, STAGE_PROTOCOL, NULL);
    control = job.has_control ? 1 : 0;
    size_t pipes = count_standard(&out->start), count = out->start.further_count;
    bool terminal = out->start.columns > 0;
    if (received->descriptor_count != used + pipes + count + control || (terminal && !executes))
        return fail(failure, STAGE_PROTOCOL, NULL);
    if (keep_further(received->descriptors + used + pipes, count, out->further) ||
        (!terminal && place_standard(&out->start, received->descriptors + used, pipes)))
        return fail(failure, STAGE_RESOURCES, NULL);
    if (terminal && place_terminal(&out->start, &received->descriptors[used]))
        return fail(failure, STAGE_RESOURCES, "/dev/pts");
    /* The message is in memory by now, and its descriptor may have one of these numbers. */
    if (used > 0)
        close_descriptor(&received->descriptors[0]);
    /* Before the limit of open files, below which they may not lie. */
    if (executes && place_further(sandbox, out->further, (int)count))
        return fail(failure, STAGE_RESOURCES, NULL);
    umask(022);
    if (set_limits(&out->start.limits, &job))
        return fail(failure, STAGE_EXEC_LIMITS, NULL);
    if (sandbox->policy->zygote &&
        (!control || dup3(received->descriptors[received->descriptor_count - 1], ZYGOTE_CONTROL, 0) < 0))
        return fail(failure, STAGE_PROTOCOL, NULL);
    close_rest(received, used, pipes);
    return 0;
}

bool receive_seen(const struct sandbox_start *sandbox)
{
    struct job job = {0};
    return recv(sandbox->jobs, &job, sizeof(job), MSG_PEEK) == sizeof(job) && job.seen &&
           recv(sandbox->jobs, &job, sizeof(job), 0) == sizeof(job);
}

int receive_job(struct sandbox_start *sandbox, bool executes, struct received_job *job, struct failure *failure)
{
    static uint8_t packet[sizeof(struct job) + PACKET_LIMIT];
    struct packet received;
    receive_seen(sandbox);
    if (receive_packet(sandbox->jobs, packet, sizeof(packet), &received, 0) <= 0)
        return 1;
    if (received.truncated || received.length < sizeof(struct job)) {
        errno = EMFILE;
        return fail(failure, STAGE_RESOURCES, NULL);
    }
    return take_job(sandbox, executes, packet, &received, job, failure);
}
