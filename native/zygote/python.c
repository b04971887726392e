/* CPython's end of a zygote, called by runtimes/python/zygote.py through ctypes, with the GIL held. It needs none of
 * Python's headers, so one build serves every version: what it calls of Python's C API has been there since 3.7. */
#include "zygote/arenas.h"
#include "zygote/working_set.h"
#include "zygote/zygote.h"

#include <dlfcn.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

static struct zygote zygote;
static struct {
    void (*before_fork)(void), (*after_fork_in_parent)(void), (*after_fork_in_child)(void);
} python;

PUBLIC int python_open(void);
PUBLIC int python_booted(void);
PUBLIC int python_warm(const char *words);
PUBLIC int python_rehearse(void);
PUBLIC void python_rehearsed(void);
PUBLIC int python_next(void);
PUBLIC void python_wait_for_job(void);
PUBLIC size_t python_argument_count(void);
PUBLIC const char *python_argument(size_t index);
PUBLIC const char *python_environment(size_t index);

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

/* 1 in a step that is confined; 0 in the zygote, when nobody needs it any more. The handlers of os.register_at_fork run
 * in the step before it enters its sandbox, so what they start as threads would be in the way: none does in practice,
 * and then entering fails with a reason. */
int python_next(void)
{
    while (wait_for_fork(&zygote)) {
        python.before_fork();
        if (fork_step(&zygote)) {
            python.after_fork_in_child();
            enter_sandbox(&zygote);
            return 1;
        }
        python.after_fork_in_parent();
    }
    return 0;
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
