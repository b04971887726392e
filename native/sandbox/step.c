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

/* Where the scratch space is not mounted at its places it lies in a directory of the sandbox's own, and the step is
 * told that one instead: as its working directory, and by variables that name such a place. The length of what is
 * replaced; 0: nothing. */
static size_t find_scratch(const struct sandbox_start *sandbox, const char *path, size_t *which)
{
    size_t longest = 0;
    bool is_scratch = false;
    for (size_t i = 0; sandbox->portable && i < sandbox->policy->mount_count; i++) {
        const struct mount_entry *entry = &sandbox->policy->mounts[i];
        size_t length = entry->target.length;
        bool is_below = length > longest && !strncmp(path, (const char *)entry->target.data, length) &&
                        (path[length] == 0 || path[length] == '/');
        if (is_below) {
            longest = length;
            is_scratch = entry->kind == MOUNT_SCRATCH; /* and not something that was shown within it */
            *which = i;
        }
    }
    return is_scratch ? longest : 0;
}

static void relocate(const struct sandbox_start *sandbox, char path[PATH_LIMIT + 1])
{
    char moved[PATH_LIMIT + 1];
    size_t which = 0, length = find_scratch(sandbox, path, &which);
    if (length == 0)
        return;
    snprintf(moved, sizeof(moved), "%s/%zu%s", sandbox->scratch_path, which, path + length);
    memcpy(path, moved, sizeof(moved));
}

static void relocate_variables(const struct sandbox_start *sandbox, char **env)
{
    for (char **entry = env; *entry; entry++) {
        const char *value = strchr(*entry, '=');
        size_t which = 0, length = value ? find_scratch(sandbox, value + 1, &which) : 0;
        char *moved = NULL;
        if (length > 0 && asprintf(&moved, "%.*s=%s/%zu%s", (int)(value - *entry), *entry, sandbox->scratch_path, which,
                                   value + 1 + length) < 0)
            refuse(sandbox->report, STAGE_RESOURCES, NULL);
        if (moved)
            *entry = moved;
    }
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
    relocate(sandbox, cwd);
    relocate_variables(sandbox, env);
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
