/* A runtime of a page: a zygote whose language is one word. Its jobs are `code` that names what to do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zygote/zygote.h"

static int run(const struct zygote_job *job, const char *preloaded)
{
    const char *word = job->argument_count > 1 ? job->arguments[1] : "";
    if (!strcmp(word, "preloaded"))
        puts(preloaded);
    else if (!strcmp(word, "arguments"))
        for (size_t i = 2; i < job->argument_count; i++)
            puts(job->arguments[i]);
    else if (!strcmp(word, "variable"))
        puts(job->environment_count > 0 ? job->environment[job->environment_count - 1] : "none");
    else if (!strcmp(word, "pid"))
        printf("%d %d %s\n", getpid(), getppid(), job->work_directory);
    else
        return 2;
    return fflush(stdout) ? 1 : 0;
}

int main(void)
{
    struct zygote zygote;
    char preloaded[64];
    if (open_zygote(&zygote)) {
        perror("not a zygote");
        return 1;
    }
    snprintf(preloaded, sizeof(preloaded), "made by %d", getpid());
    if (tell_warm(&zygote, "{\"mode\":\"fork\",\"runtime\":\"a page of C\",\"threads\":[]}"))
        return 1;
    while (wait_for_fork(&zygote)) {
        if (fork_step(&zygote)) {
            enter_sandbox(&zygote);
            exit(run(wait_for_job(&zygote), preloaded));
        }
    }
    return 0;
}
