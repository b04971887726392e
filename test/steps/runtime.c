/* A runtime of a page: a zygote whose language is one word, and what the word
 * is to be done with. Its jobs are `code` that is such a word. On SIGUSR1 the
 * zygote itself takes more memory than it may have. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "zygote/zygote.h"

static const char *argument(const struct zygote_job *job) {
  return job->argument_count > 2 ? job->arguments[2] : "";
}

static int say(const char *text) {
  return puts(text) < 0 || fflush(stdout) ? 1 : 0;
}

static void touch(size_t mebibytes) {
  char *memory = malloc(mebibytes << 20);
  for (size_t at = 0; memory && at < mebibytes << 20; at += 4096)
    *(volatile char *)(memory + at) = 1;
}

static int eat(const struct zygote_job *job) {
  touch(strtoul(argument(job), NULL, 10));
  return say("full");
}

/* The parent outlives what happens to its child, and would exit as if nothing
 * had been. */
static int eat_below(const struct zygote_job *job) {
  if (fork() == 0)
    _exit(eat(job));
  wait(NULL);
  sleep(3);
  return say("survived");
}

static int fork_all(const struct zygote_job *job) {
  int made = 0, wanted = atoi(argument(job));
  for (; made < wanted; made++) {
    pid_t child = fork();
    if (child < 0)
      break;
    while (child == 0)
      pause();
  }
  printf("%d %s\n", made,
         made == wanted    ? "all"
         : errno == EAGAIN ? "EAGAIN"
                           : strerror(errno));
  return 0;
}

static int spin(const struct zygote_job *job) {
  clock_t end =
      clock() + (clock_t)(atof(argument(job)) / 1000 * CLOCKS_PER_SEC);
  while (clock() < end) {
  }
  return 0;
}

static int wait_long(const struct zygote_job *job) {
  long ms = atol(argument(job));
  struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  say("begun");
  nanosleep(&left, NULL);
  return say("waited");
}

static int tell_arguments(const struct zygote_job *job) {
  for (size_t i = 2; i < job->argument_count; i++)
    puts(job->arguments[i]);
  return 0;
}

static int tell_variable(const struct zygote_job *job) {
  return say(job->environment_count > 0
                 ? job->environment[job->environment_count - 1]
                 : "none");
}

static int tell_pid(const struct zygote_job *job) {
  printf("%d %d %s\n", getpid(), getppid(), job->work_directory);
  return 0;
}

static int use_descriptors(const struct zygote_job *job) {
  for (size_t i = 0; i < job->descriptor_count; i++)
    dprintf(job->descriptors[i], "descriptor %zu\n", i);
  printf("%zu\n", job->descriptor_count);
  return 0;
}

static char preloaded[64];

static int tell_preloaded(const struct zygote_job *job) {
  (void)job;
  return say(preloaded);
}

static int run(const struct zygote_job *job) {
  static const struct {
    const char *word;
    int (*act)(const struct zygote_job *job);
  } WORDS[] = {{"preloaded", tell_preloaded},
               {"arguments", tell_arguments},
               {"variable", tell_variable},
               {"pid", tell_pid},
               {"eat", eat},
               {"eat-below", eat_below},
               {"fork-all", fork_all},
               {"spin", spin},
               {"wait", wait_long},
               {"descriptors", use_descriptors}};
  for (size_t i = 0;
       job->argument_count > 1 && i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
    if (!strcmp(job->arguments[1], WORDS[i].word))
      return WORDS[i].act(job);
  }
  return 2;
}

static void take_too_much(int signal) {
  (void)signal;
  for (;;)
    touch(64);
}

int main(void) {
  struct zygote zygote;
  if (open_zygote(&zygote)) {
    perror("not a zygote");
    return 1;
  }
  signal(SIGUSR1, take_too_much);
  snprintf(preloaded, sizeof(preloaded), "made by %d", getpid());
  if (tell_warm(
          &zygote,
          "{\"mode\":\"fork\",\"runtime\":\"a page of C\",\"threads\":[]}"))
    return 1;
  while (wait_for_fork(&zygote)) {
    if (fork_step(&zygote)) {
      enter_sandbox(&zygote);
      exit(run(wait_for_job(&zygote)));
    }
  }
  return 0;
}
