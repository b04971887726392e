/*
 * Asks the kernel what two stacked filters say about calls, without ever executing one of them.
 *
 *   filter-probe BASE STEP < calls > verdicts
 *
 * A call is 8 little-endian 64-bit words: number, 0 for the native ABI or 1 for int 0x80 (x64), six arguments. A verdict is
 * the 64-bit value that the call "returned": minus an error number, or PERMITTED, or NOTIFIED.
 *
 * A third filter asks for a tracer on every call. The kernel takes the strictest answer, so the tracer is asked
 * exactly where the two others permit; it skips the call and puts PERMITTED in its place. A thread answers the
 * listener with NOTIFIED.
 */
#define _GNU_SOURCE
#include "filter-install.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { PERMITTED = 0x7e570001, NOTIFIED = 0x7e570002 };

struct call {
    uint64_t number;
    uint64_t foreign;
    uint64_t arguments[6];
};

/* Shared with the traced child. */
struct session {
    volatile int listener; /* descriptor number in the child, -1 before */
    volatile int armed;    /* set by the tracer: from now on calls are skipped */
    volatile size_t done;
    size_t count;
    struct call *calls;
    volatile int64_t *verdicts;
};

#if defined(__x86_64__)
static int64_t make_call(const struct call *call)
{
    int64_t result;
    if (call->foreign) {
        uint32_t low = (uint32_t)call->number;
        __asm__ volatile("int $0x80"
                         : "=a"(result)
                         : "a"((uint64_t)low), "b"(call->arguments[0]), "c"(call->arguments[1]),
                           "d"(call->arguments[2]), "S"(call->arguments[3]), "D"(call->arguments[4])
                         : "r8", "r9", "r10", "r11", "memory");
        return (int64_t)(int32_t)result;
    }
    register uint64_t r10 __asm__("r10") = call->arguments[3];
    register uint64_t r8 __asm__("r8") = call->arguments[4];
    register uint64_t r9 __asm__("r9") = call->arguments[5];
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(call->number), "D"(call->arguments[0]), "S"(call->arguments[1]), "d"(call->arguments[2]),
                       "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static void skip_call(pid_t child)
{
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, child, 0, &registers) != 0)
        die("PTRACE_GETREGS");
    registers.orig_rax = (unsigned long long)-1;
    registers.rax = PERMITTED;
    if (ptrace(PTRACE_SETREGS, child, 0, &registers) != 0)
        die("PTRACE_SETREGS");
}
#elif defined(__aarch64__)
static int64_t make_call(const struct call *call)
{
    register uint64_t x8 __asm__("x8") = call->number;
    register uint64_t x0 __asm__("x0") = call->arguments[0];
    register uint64_t x1 __asm__("x1") = call->arguments[1];
    register uint64_t x2 __asm__("x2") = call->arguments[2];
    register uint64_t x3 __asm__("x3") = call->arguments[3];
    register uint64_t x4 __asm__("x4") = call->arguments[4];
    register uint64_t x5 __asm__("x5") = call->arguments[5];
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return (int64_t)x0;
}

static void skip_call(pid_t child)
{
    struct user_regs_struct registers;
    int number = -1;
    struct iovec all = {&registers, sizeof(registers)}, call = {&number, sizeof(number)};
    if (ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &all) != 0)
        die("PTRACE_GETREGSET");
    registers.regs[0] = PERMITTED;
    if (ptrace(PTRACE_SETREGSET, child, NT_PRSTATUS, &all) != 0 ||
        ptrace(PTRACE_SETREGSET, child, NT_ARM_SYSTEM_CALL, &call) != 0)
        die("PTRACE_SETREGSET");
}
#else
#error "how calls are made and skipped is not known for this architecture"
#endif

static void traced_child(struct session *session, struct filter *base, struct filter *step)
{
    static struct filter trace_all = {.code = {{.code = 0x06, .k = SECCOMP_RET_TRACE}}, .length = 1};
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
        die("PTRACE_TRACEME");
    raise(SIGSTOP);
    forbid_new_privileges();
    if (install_filter(&trace_all, 0) != 0)
        die("trace filter");
    if (install_filter(base, 0) != 0)
        die("base");
    int listener = install_filter(step, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    if (listener < 0)
        die("step");
    session->listener = listener;
    while (!session->armed)
        __asm__ volatile("" ::: "memory");
    for (size_t at = 0; at < session->count; at++) {
        session->verdicts[at] = make_call(&session->calls[at]);
        session->done = at + 1;
    }
    for (;;)
        make_call(&(struct call){.number = SYS_getpid}); /* stops in the tracer, which ends us */
}

static void *answer_listener(void *argument)
{
    int listener = *(int *)argument;
    for (;;) {
        struct seccomp_notif request;
        memset(&request, 0, sizeof(request));
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
            if (errno == EINTR || errno == ENOENT)
                continue;
            return NULL;
        }
        struct seccomp_notif_resp response = {.id = request.id, .val = NOTIFIED};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
    }
}

static void arm(struct session *session, pid_t child)
{
    static int listener;
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    listener = (int)syscall(SYS_pidfd_getfd, pidfd, session->listener, 0);
    if (listener < 0)
        die("pidfd_getfd");
    pthread_t thread;
    if (pthread_create(&thread, NULL, answer_listener, &listener) != 0)
        die("pthread_create");
    session->armed = 1;
}

static void trace(struct session *session, pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        die("child did not stop");
    if (ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL) != 0)
        die("PTRACE_SETOPTIONS");
    ptrace(PTRACE_CONT, child, 0, 0);
    while (session->done < session->count) {
        pid_t stopped = waitpid(child, &status, session->armed ? 0 : WNOHANG);
        if (stopped == 0) {
            if (session->listener >= 0)
                arm(session, child);
            continue;
        }
        if (stopped != child || !WIFSTOPPED(status)) {
            fprintf(stderr, "the child ended at call %zu of %zu, status 0x%x\n", session->done, session->count, status);
            exit(125);
        }
        if (WSTOPSIG(status) != SIGTRAP) {
            fprintf(stderr, "signal %d at call %zu\n", WSTOPSIG(status), session->done);
            exit(125);
        }
        if (session->armed)
            skip_call(child);
        ptrace(PTRACE_CONT, child, 0, 0);
    }
    kill(child, SIGKILL);
}

static void *shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

int main(int argc, char **argv)
{
    enum { MOST_CALLS = 1 << 17 };
    static struct filter base, step;
    if (argc != 3)
        return 64;
    read_filter(argv[1], &base);
    read_filter(argv[2], &step);
    struct session *session = shared(sizeof(*session));
    session->listener = -1;
    session->calls = shared(MOST_CALLS * sizeof(struct call));
    session->verdicts = shared(MOST_CALLS * sizeof(int64_t));
    session->count = fread(session->calls, sizeof(struct call), MOST_CALLS, stdin);
    pid_t child = fork();
    if (child == 0)
        traced_child(session, &base, &step);
    trace(session, child);
    fwrite((void *)session->verdicts, sizeof(int64_t), session->count, stdout);
    return fflush(stdout) == 0 ? 0 : 125;
}
