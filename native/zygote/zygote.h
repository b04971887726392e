/* What a runtime needs to be a zygote: it preloads, says that it is warm, and then waits, forks and enters, over and
 * over. Everything between a request and a confined step happens here; the runtime only runs the job.
 *
 *     open_zygote(&zygote);
 *     ... preload ...
 *     tell_warm(&zygote, "");
 *     while (wait_for_fork(&zygote))
 *         if (fork_step(&zygote)) {
 *             enter_sandbox(&zygote);
 *             ... renew what must differ from step to step ...
 *             const struct zygote_job *job = wait_for_job(&zygote);
 *             ... run it, and exit with its status ...
 *         }
 */
#ifndef ZYGOTE_H
#define ZYGOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zygote_job {
    size_t argument_count, environment_count;
    char **arguments;   /* ends with NULL */
    char **environment; /* NAME=VALUE, ends with NULL */
    const char *work_directory;
    size_t descriptor_count;
    const int *descriptors; /* what it is given besides stdin, stdout and stderr: close-on-exec, the job's to close */
};

struct zygote {
    int control;
    struct zygote_request *request; /* what the next fork is for */
    bool booted; /* it is a step itself, which runs one job: nothing is forked, though all is called as if it were */
    bool keeps_descriptors; /* the runtime itself sees to it that a step has nothing open that it shares with another */
    struct zygote_job job;
};

/* The process must have been started as a zygote. 0, or -1 with
 * errno. */
int open_zygote(struct zygote *zygote);

/* Preloading is over. `words` is for the app: at most 32 KiB. 0, or -1 with errno. */
int tell_warm(struct zygote *zygote, const char *words);

/* False: nobody needs the zygote any more, and it should exit. */
bool wait_for_fork(struct zygote *zygote);

/* By fork(3) of the C library, so that the handlers of pthread_atfork run. True in the step; the caller must not return
 * from the function that called this one before it has asked which of the two it is. The step's parent is the init of
 * its sandbox. In the zygote: false, also when there was no step to be had, which the spawner is told. */
bool fork_step(struct zygote *zygote);

/* In the step: enters its sandbox, is confined, and tells the spawner, which looks at it from then on. Must be called
 * while it has a single thread; may have more only after its job has come. Does not return when that fails. */
void enter_sandbox(struct zygote *zygote);

/* May be called in between. True: nobody waits for the step yet, and it may have threads and do what makes it ready for
 * its job. */
bool wait_until_seen(const struct zygote *zygote);

/* Waits, and answers the job, with stdin, stdout, stderr, limits and the work directory in place. Does not return when
 * there is none. */
const struct zygote_job *wait_for_job(struct zygote *zygote);

#endif
