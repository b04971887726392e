/* CPython's end of a zygote, called by runtimes/python/zygote.py through ctypes, with the GIL held. It needs none of
 * Python's headers, so one build serves every version: what it calls of Python's C API has been there since 3.7. */
#include "common/common.h"
#include "zygote/arenas.h"
#include "zygote/working_set.h"
#include "zygote/zygote.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

enum { OVER, IN_STEP, FORKED };

static struct twister {
    uint32_t key[624];
    int position;
} *twister;

static struct zygote zygote;
static bool environment_changed;
static struct {
    void (*before_fork)(void), (*after_fork_in_parent)(void), (*after_fork_in_child)(void);
} python;

PUBLIC int python_open(void);
PUBLIC int python_booted(void);
PUBLIC int python_warm(const char *words);
PUBLIC int python_rehearse(void);
PUBLIC void python_rehearsed(void);
PUBLIC void python_keep_twister(void *state);
PUBLIC int python_next(void);
PUBLIC int python_ahead(void);
PUBLIC void python_wait_for_job(void);
PUBLIC size_t python_argument_count(void);
PUBLIC const char *python_argument(size_t index);
PUBLIC const char *python_environment(size_t index);
PUBLIC int python_has_environment(void);
PUBLIC size_t python_descriptor_count(void);
PUBLIC int python_descriptor(size_t index);
PUBLIC void python_environment_changed(void);
PUBLIC void python_clear_environment(void);

static bool find(const char *name, void (**out)(void))
{
    *(void **)out = dlsym(RTLD_DEFAULT, name);
    return *out != NULL;
}

/* 0; 1: not started as a zygote; 2: this is not CPython. */
int python_open(void)
{
    if (open_zygote(&zygote))
        return 1;
    if (!zygote.booted)
        provide_arenas();
    return find("PyOS_BeforeFork", &python.before_fork) &&
                   find("PyOS_AfterFork_Parent", &python.after_fork_in_parent) &&
                   find("PyOS_AfterFork_Child", &python.after_fork_in_child)
               ? 0
               : 2;
}

/* 1: a step that has booted, and is not to be forked. */
int python_booted(void)
{
    return zygote.booted;
}

int python_warm(const char *words)
{
    return tell_warm(&zygote, words);
}

/* 1 in a child that is to run a job for practice and then call python_rehearsed(); 0 in the zygote, afterwards. */
int python_rehearse(void)
{
    collapse_memory();
    settle_arenas();
    python.before_fork();
    if (rehearse()) {
        python.after_fork_in_child();
        return 1;
    }
    python.after_fork_in_parent();
    return 0;
}

void python_rehearsed(void)
{
    tell_working_set();
}

/* `state`: of a Mersenne twister that each step shall have anew; NULL: there is none, or it is to be seen to between
 * two forks. */
void python_keep_twister(void *state)
{
    twister = state;
}

/* As numpy keeps it, and runtimes/python/zygote.py has compared: all of it is random, and used up. */
static int randomize(struct twister *state)
{
    state->position = LENGTH(state->key);
    return getrandom(state->key, sizeof(state->key), 0) == sizeof(state->key) ? 0 : -1;
}

/* In a step that is confined: 1. In the zygote: 0 when nobody needs it any more, 2 after a fork. The handlers of
 * os.register_at_fork run in the step before it enters its sandbox, so what they start as threads would be in the way:
 * none does in practice, and then entering fails with a reason. */
int python_next(void)
{
    while (wait_for_fork(&zygote)) {
        python.before_fork();
        if (fork_step(&zygote)) {
            if (twister && randomize(twister))
                _exit(1);
            python.after_fork_in_child();
            enter_sandbox(&zygote);
            return IN_STEP;
        }
        python.after_fork_in_parent();
        if (!twister)
            return FORKED;
    }
    return OVER;
}

/* 1 in a step that waits ahead of its job. */
int python_ahead(void)
{
    return wait_until_seen(&zygote);
}

void python_wait_for_job(void)
{
    wait_for_job(&zygote);
}

size_t python_argument_count(void)
{
    return zygote.job.argument_count;
}

const char *python_argument(size_t index)
{
    return index < zygote.job.argument_count ? zygote.job.arguments[index] : NULL;
}

const char *python_environment(size_t index)
{
    return index < zygote.job.environment_count ? zygote.job.environment[index] : NULL;
}

/* What the job is given besides stdin, stdout and stderr, in the order in which the app gave it. */
size_t python_descriptor_count(void)
{
    return zygote.job.descriptor_count;
}

int python_descriptor(size_t index)
{
    return index < zygote.job.descriptor_count ? zygote.job.descriptors[index] : -1;
}

/* `os.environ` need not say what the process's variables are any more. */
void python_environment_changed(void)
{
    environment_changed = true;
}

void python_clear_environment(void)
{
    clearenv();
}

/* 1: the job's variables are those that the process has already, as they mostly are. */
int python_has_environment(void)
{
    size_t index = 0;
    if (environment_changed || !environ)
        return 0;
    for (; index < zygote.job.environment_count && environ[index]; index++) {
        if (strcmp(environ[index], zygote.job.environment[index]))
            return 0;
    }
    return !environ[index] && index == zygote.job.environment_count;
}
