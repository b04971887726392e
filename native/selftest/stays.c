/* Ways to outlive the end of the command: what stays can be told by the token in its command line. */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/prober.h"

enum { LONGEST_S = 25 }; /* if nobody ends it */

/* The command line is what stands there; the environment behind it leaves room, and is not needed any more. */
static void be_called(const char *token)
{
    memcpy(program_invocation_name, token, strlen(token) + 1);
}

_Noreturn static void stay(void)
{
    alarm(LONGEST_S);
    for (;;)
        pause();
}

static void deaf(void)
{
    for (int number = 1; number < NSIG; number++) {
        if (number != SIGALRM && number != SIGKILL && number != SIGSTOP)
            signal(number, SIG_IGN);
    }
}

static void close_all(void)
{
    for (int fd = 0; fd < 64; fd++)
        close(fd);
}

/* In a second child, whose parent has ended. */
static int leave_behind(char **words, void (*prepare)(void))
{
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        setsid();
        pid_t second = fork();
        if (second)
            _exit(second < 0);
        be_called(words[0]);
        prepare();
        stay();
    }
    int status;
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int daemon_of(char **words)
{
    return leave_behind(words, close_all);
}

static int holds_output(char **words)
{
    return leave_behind(words, deaf);
}

static void deaf_and_closed(void)
{
    deaf();
    close_all();
}

static int deaf_daemon(char **words)
{
    return leave_behind(words, deaf_and_closed);
}

static void stopped_and_closed(void)
{
    close_all();
    raise(SIGSTOP);
}

static int stopped_daemon(char **words)
{
    return leave_behind(words, stopped_and_closed);
}

/* One after the other, each a moment only: who kills by a list is always late. */
static void hop(void)
{
    close_all();
    for (int i = 0; i < 200; i++) {
        pid_t pid = fork();
        if (pid > 0)
            _exit(0);
        if (pid < 0)
            break;
        usleep(100000);
    }
}

static int hopping_daemon(char **words)
{
    return leave_behind(words, hop);
}

static int low_priority_daemon(char **words)
{
    setpriority(PRIO_PROCESS, 0, 19);
    return leave_behind(words, close_all);
}

const struct named STAYS[] = {
    {"daemon", daemon_of},
    {"holds-output", holds_output},
    {"deaf-daemon", deaf_daemon},
    {"stopped-daemon", stopped_daemon},
    {"hopping-daemon", hopping_daemon},
    {"slow-daemon", low_priority_daemon},
    {NULL, NULL},
};
