/* The parked step: confined completely, it waits for one job and becomes it.
 * Runs our own code without any privilege; the job comes from the app by way of the spawner. After execve nothing of us
 * is left. */
#include "sandbox/internal.h"
#include "sandbox/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn static void refuse(int socket, enum stage stage, const char *path)
{
    struct failure failure;
    fail(&failure, stage, path);
    report_refusal(socket, &failure);
    _exit(127);
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
    if (start->builtin == BUILTIN_FILES) {
        if (close_range(3, ~0u, 0))
            refuse(sandbox->report, STAGE_RESOURCES, NULL);
        files_main(argv, start->argv_count);
    }
    if (strchr(file, '/'))
        execve(file, argv, env);
    else
        execute_in_path(file, argv, env);
    bool missing = errno == ENOENT || errno == ENOTDIR;
    refuse(sandbox->report, missing ? STAGE_COMMAND_NOT_FOUND : STAGE_COMMAND_NOT_EXECUTABLE, file);
}

/* Everything but 0, 1 and 2 and what the step is given goes at execve, and what a zygote or a program that boots talks
 * through. */
static int pass_only(struct sandbox_start *sandbox, const struct received_job *job)
{
    unsigned first = 3 + (unsigned)job->start.further_count;
    if (!job->boots)
        return close_range(sandbox->policy->zygote ? ZYGOTE_CONTROL + 1 : first, ~0u, CLOSE_RANGE_CLOEXEC);
    int jobs = fcntl(sandbox->jobs, F_DUPFD_CLOEXEC, BOOTED_REPORT + 1);
    sandbox->report = fcntl(sandbox->report, F_DUPFD_CLOEXEC, BOOTED_REPORT + 1);
    if (jobs < 0 || sandbox->report < 0 || dup3(jobs, BOOTED_JOBS, 0) < 0 ||
        dup3(sandbox->report, BOOTED_REPORT, 0) < 0)
        return -1;
    return close_range(BOOTED_REPORT + 1, ~0u, CLOSE_RANGE_CLOEXEC);
}

_Noreturn void step_main(struct sandbox_start *sandbox)
{
    struct received_job job = {0};
    struct failure failure;
    struct report parked;
    int listener = -1;
    if (confine_parked(sandbox, &parked, &listener) || report_parked(sandbox, &parked, &listener))
        _exit(1);
    int over = receive_job(sandbox, true, &job, &failure);
    if (over > 0)
        _exit(0); /* the spawner does not need us any more */
    if (over < 0) {
        report_refusal(sandbox->report, &failure);
        _exit(127);
    }
    if (pass_only(sandbox, &job))
        refuse(sandbox->report, STAGE_RESOURCES, NULL);
    execute(sandbox, job.body, &job.start);
}
