/* Node's end of a zygote, loaded by runtimes/node/zygote.cjs. Node does not know that it can be forked: what it keeps
 * of threads, descriptors and randomness is put right here, in each step (zygote/node_internals.h has what that takes).
 */
#define NAPI_VERSION 8
#include <fcntl.h>
#include <node_api.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zygote/node_descriptors.h"
#include "zygote/node_internals.h"
#include "zygote/node_typed.h"
#include "zygote/working_set.h"
#include "zygote/zygote.h"

static struct zygote zygote;
static napi_env environment;
static int exit_code = -1;
static bool has_threads;
static const char *unrevived; /* what a step could not make anew, to be told where its output goes */

/* What node does at its end, but for taking apart what the step shares with its zygote: that would copy all of it, to
 * be thrown away, and wait for threads that no fork takes along. */
_Noreturn static void leave(int code)
{
    fflush(NULL);
    _exit(code);
}

/* A hook that was added last runs first, when the event loop is empty and 'exit' was emitted. */
static void on_natural_end(void *unused)
{
    (void)unused;
    if (exit_code >= 0)
        leave(exit_code);
}

static napi_value boolean(napi_env env, bool value)
{
    napi_value result = NULL;
    napi_get_boolean(env, value, &result);
    return result;
}

static napi_value text(napi_env env, const char *value)
{
    napi_value result = NULL;
    napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &result);
    return result;
}

static int32_t first_argument(napi_env env, napi_callback_info info, napi_value *value)
{
    size_t count = 1;
    int32_t number = 0;
    napi_get_cb_info(env, info, &count, value, NULL, NULL);
    if (count == 1)
        napi_get_value_int32(env, *value, &number);
    return number;
}

/* Whether this is a zygote, or else a step that has booted. Undefined: neither. */
static napi_value node_open(napi_env env, napi_callback_info info)
{
    (void)info;
    environment = env;
    if (open_zygote(&zygote))
        return NULL;
    zygote.keeps_descriptors = true; /* libuv would close others under the numbers of its own: node_descriptors.c */
    return boolean(env, !zygote.booted);
}

/* Undefined; else why it cannot be forked. To be called before any other function that has to do with forks. */
static napi_value node_prepare(napi_env env, napi_callback_info info)
{
    (void)info;
    const char *missing = find_node();
    if (!missing) {
        exit_through(leave);
        return NULL;
    }
    char words[256];
    snprintf(words, sizeof(words), "this build of it has no %s", missing);
    return text(env, words);
}

/* One that is not to be forked: until nobody needs it any more. */
static napi_value node_wait_for_end(napi_env env, napi_callback_info info)
{
    (void)env, (void)info;
    while (wait_for_fork(&zygote)) {
    }
    leave(0);
}

/* Nothing but what a single thread needs has survived the fork. Null, else what could not be made anew. */
static const char *revive(void)
{
    leave_descriptors();
    const char *failed = revive_node(environment);
    reap_descriptors();
    if (!failed && napi_add_env_cleanup_hook(environment, on_natural_end, NULL) != napi_ok)
        failed = "its end";
    return failed;
}

_Noreturn static void give_up(const char *failed)
{
    dprintf(STDERR_FILENO, "zygote: %s could not be made anew\n", failed);
    _exit(1);
}

/* No thread but ours is at work after this, and all memory is there after a fork. */
static bool become_forkable(void)
{
    quiesce_node();
    return note_descriptors(zygote.control);
}

enum { CHECKING = -1, TOO_LONG = -2, TOO_MUCH_OPEN = -3 };

static int status_in_time(pid_t child)
{
    enum { MOST_MS = 3000 };
    int status, process = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd ended = {.fd = process, .events = POLLIN};
    int in_time = process < 0 ? 1 : poll(&ended, 1, MOST_MS);
    if (process >= 0)
        close(process);
    if (in_time == 0)
        kill(child, SIGKILL);
    if (waitpid(child, &status, 0) < 0)
        return TOO_LONG;
    return in_time == 0 ? TOO_LONG : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* CHECKING in a child that is to try what a step does; in the zygote what became of it. */
static napi_value node_check(napi_env env, napi_callback_info info)
{
    (void)info;
    napi_value result = NULL;
    if (!become_forkable()) {
        napi_create_int32(env, TOO_MUCH_OPEN, &result);
        return result;
    }
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const char *failed = revive();
        if (failed || (failed = revive_threads(environment)))
            give_up(failed);
        napi_create_int32(env, CHECKING, &result);
        return result;
    }
    napi_create_int32(env, child < 0 ? TOO_LONG : status_in_time(child), &result);
    return result;
}

/* Pipes, as a step has them. */
static void place_pipes(void)
{
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) || dup2(ends[i > 0], i) < 0)
            _exit(1);
    }
}

/* True in a child that is to run a job for practice and then call rehearsed(). */
static napi_value node_rehearse(napi_env env, napi_callback_info info)
{
    (void)info;
    if (!become_forkable() || !rehearse())
        return boolean(env, false);
    place_pipes();
    if (revive() || revive_threads(environment))
        _exit(1);
    return boolean(env, true);
}

static napi_value node_rehearsed(napi_env env, napi_callback_info info)
{
    (void)env, (void)info;
    tell_working_set();
}

static napi_value node_warm(napi_env env, napi_callback_info info)
{
    enum { WORDS_LIMIT = 4096 };
    static char words[WORDS_LIMIT];
    napi_value value = NULL;
    first_argument(env, info, &value);
    napi_get_value_string_utf8(env, value, words, sizeof(words), NULL);
    tell_warm(&zygote, words);
    return NULL;
}

static void take_environment(const struct zygote_job *job)
{
    clearenv();
    for (char **entry = job->environment; *entry; entry++)
        putenv(*entry); /* the job is there as long as the step is */
}

static napi_value arguments_of(napi_env env, const struct zygote_job *job)
{
    napi_value list = NULL;
    napi_create_array_with_length(env, job->argument_count, &list);
    for (size_t i = 0; i < job->argument_count; i++)
        napi_set_element(env, list, (uint32_t)i, text(env, job->arguments[i]));
    return list;
}

/* True in a step that is confined; false in the zygote, when nobody needs it any more. No JavaScript runs in between.
 */
static napi_value node_next(napi_env env, napi_callback_info info)
{
    (void)info;
    while (become_forkable() && wait_for_fork(&zygote)) {
        if (!fork_step(&zygote))
            continue;
        enter_sandbox(&zygote);
        unrevived = revive();
        return boolean(env, true);
    }
    return boolean(env, false);
}

/* True in a step that waits ahead of its job: its threads are there. */
static napi_value node_ahead(napi_env env, napi_callback_info info)
{
    (void)info;
    if (unrevived || !wait_until_seen(&zygote))
        return boolean(env, false);
    unrevived = revive_threads(environment);
    has_threads = !unrevived;
    return boolean(env, true);
}

/* The texts of the step's job, once there is one: until then the spawner sees to it that there is but one thread. */
static napi_value node_job(napi_env env, napi_callback_info info)
{
    (void)info;
    const struct zygote_job *job = wait_for_job(&zygote);
    if (!zygote.booted && !has_threads && !unrevived)
        unrevived = revive_threads(environment);
    if (unrevived)
        give_up(unrevived);
    take_environment(job);
    return arguments_of(env, job);
}

/* What the job is given besides stdin, stdout and stderr, in the order in which the app gave it. */
static napi_value node_descriptors(napi_env env, napi_callback_info info)
{
    (void)info;
    const struct zygote_job *job = &zygote.job;
    napi_value list = NULL, descriptor = NULL;
    napi_create_array_with_length(env, job->descriptor_count, &list);
    for (size_t i = 0; i < job->descriptor_count; i++) {
        napi_create_int32(env, job->descriptors[i], &descriptor);
        napi_set_element(env, list, (uint32_t)i, descriptor);
    }
    return list;
}

static napi_value node_pid(napi_env env, napi_callback_info info)
{
    (void)info;
    napi_value result = NULL;
    napi_create_int32(env, getpid(), &result);
    return result;
}

static napi_value node_pipe(napi_env env, napi_callback_info info)
{
    (void)info;
    int ends[2];
    napi_value result = NULL, end;
    if (pipe2(ends, O_CLOEXEC) || napi_create_array_with_length(env, 2, &result) != napi_ok)
        return NULL;
    for (uint32_t i = 0; i < 2; i++) {
        napi_create_int32(env, ends[i], &end);
        napi_set_element(env, result, i, end);
    }
    return result;
}

/* 'exit' was emitted: with which code the process ends unless something else ends it. */
static napi_value node_end_with(napi_env env, napi_callback_info info)
{
    napi_value value = NULL;
    exit_code = first_argument(env, info, &value) & 0xFF;
    return NULL;
}

static napi_value node_leave(napi_env env, napi_callback_info info)
{
    napi_value value = NULL;
    leave(first_argument(env, info, &value));
}

NAPI_MODULE_INIT()
{
    static const struct {
        const char *name;
        napi_callback function;
    } FUNCTIONS[] = {
        {"open", node_open},          {"prepare", node_prepare},   {"waitForEnd", node_wait_for_end},
        {"check", node_check},        {"rehearse", node_rehearse}, {"rehearsed", node_rehearsed},
        {"warm", node_warm},          {"next", node_next},         {"job", node_job},
        {"ahead", node_ahead},        {"pid", node_pid},           {"leave", node_leave},
        {"endWith", node_end_with},   {"pipe", node_pipe},         {"descriptors", node_descriptors},
        {"moveAway", node_move_away}, {"map", node_map},
    };
    for (size_t i = 0; i < sizeof(FUNCTIONS) / sizeof(*FUNCTIONS); i++) {
        napi_value function;
        if (napi_create_function(env, FUNCTIONS[i].name, NAPI_AUTO_LENGTH, FUNCTIONS[i].function, NULL, &function) !=
                napi_ok ||
            napi_set_named_property(env, exports, FUNCTIONS[i].name, function) != napi_ok)
            return NULL;
    }
    return exports;
}
