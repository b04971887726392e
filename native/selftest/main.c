/* `prober operations` names what can be done. `prober` reads a plan from stdin: a line for each check, `ID OPERATION
 * ARGUMENT...` with tabs between. Each check runs in a child, and is told in two lines on stdout: `?ID` when it begins,
 * so that it is known what the whole ended for, and `=ID ANSWER` with what became of it. `=` alone ends it. */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/prober.h"

enum {
    LONGEST_S = 40, /* a check */
    WAITING_S = 15, /* a child of one that was ended */
    MOST_ARGUMENTS = 12,
    PLAN_LIMIT = 1 << 17,
};

static char told[512];
static char path[512];

int tell(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(told, sizeof(told), format, arguments);
    va_end(arguments);
    for (char *at = told; *at; at++) {
        if (*at == '\n' || *at == '\t')
            *at = ' ';
    }
    return 0;
}

const char *temporary(void)
{
    const char *directory = getenv("TMPDIR");
    return directory && strlen(directory) < sizeof(path) - 64 ? directory : "/tmp";
}

const char *own_path(void)
{
    snprintf(path, sizeof(path), "%s/selftest-%d-%d", temporary(), getppid(), getpid());
    return path;
}

int own_file(void)
{
    return open(own_path(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

void remove_own_file(void)
{
    if (path[0])
        unlink(path);
}

pid_t waiting_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        alarm(WAITING_S);
        for (;;)
            pause();
    }
    return pid;
}

static const struct named *const TABLES[] = {CALLS,    FILES, FACTS,          EXCHANGES, QUANTITIES,
                                             ATTEMPTS, WORKS, WORKS_OF_FILES, STAYS};

static operation find_operation(const char *name)
{
    for (size_t i = 0; i < LENGTH(TABLES); i++) {
        for (const struct named *row = TABLES[i]; row->name; row++) {
            if (!strcmp(row->name, name))
                return row->run;
        }
    }
    return NULL;
}

/* So that a catalogue can be held against it without anything being done. */
static int list_operations(void)
{
    for (size_t i = 0; i < LENGTH(TABLES); i++) {
        for (const struct named *row = TABLES[i]; row->name; row++)
            puts(row->name);
    }
    return 0;
}

/* With one write, so that nothing comes between and nothing is lost when all ends. */
static void say(const char *text)
{
    for (size_t at = 0, length = strlen(text); at < length;) {
        ssize_t wrote = write(1, text + at, length - at);
        if (wrote < 0 && errno != EINTR)
            _exit(1);
        at += wrote > 0 ? (size_t)wrote : 0;
    }
}

_Noreturn static void run_check(const char *id, char **words)
{
    char line[700];
    operation run = find_operation(words[0]);
    alarm(LONGEST_S);
    errno = 0;
    int result = run ? run(words + 1) : -1;
    int error = errno;
    remove_own_file();
    if (!run)
        snprintf(line, sizeof(line), "=%s\tunknown\t%s\n", id, words[0]);
    else if (result == 0)
        snprintf(line, sizeof(line), "=%s\treached\t%s\n", id, told);
    else
        snprintf(line, sizeof(line), "=%s\terror %d\t%s\n", id, error, told);
    say(line);
    _exit(0);
}

static void tell_of(const char *id, char **words)
{
    char line[160];
    int status;
    snprintf(line, sizeof(line), "?%s\n", id);
    say(line);
    pid_t pid = fork();
    if (pid == 0)
        run_check(id, words);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        snprintf(line, sizeof(line), "=%s\tlost %d\t\n", id, errno);
    else if (WIFSIGNALED(status))
        snprintf(line, sizeof(line), "=%s\tsignal %d\t\n", id, WTERMSIG(status));
    else if (WEXITSTATUS(status))
        snprintf(line, sizeof(line), "=%s\tlost 0\t\n", id);
    else
        return;
    say(line);
}

static void run_line(char *line)
{
    char *words[MOST_ARGUMENTS + 2] = {NULL};
    size_t count = 0;
    for (char *word; count < LENGTH(words) - 1 && (word = strsep(&line, "\t"));)
        words[count++] = word;
    if (count > 1)
        tell_of(words[0], words + 1);
}

static bool read_plan(char *plan, size_t size)
{
    size_t length = 0;
    for (ssize_t got = 1; got > 0 && length + 1 < size; length += (size_t)got) {
        got = read(0, plan + length, size - 1 - length);
        if (got < 0)
            return false;
    }
    plan[length] = 0;
    return length + 1 < size;
}

int main(int argc, char **argv)
{
    static char plan[PLAN_LIMIT];
    if (argc > 4 && !strcmp(argv[1], "bait"))
        return lay_bait(argv + 2);
    if (argc == 2 && !strcmp(argv[1], "operations"))
        return list_operations();
    if (argc != 1 || !read_plan(plan, sizeof(plan)))
        return 64;
    signal(SIGPIPE, SIG_IGN);
    char *rest = plan;
    for (char *line; (line = strsep(&rest, "\n"));)
        run_line(line);
    say("=\n");
    return 0;
}
