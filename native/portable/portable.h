/* Sandboxes where no namespace can be had, for policies that do without by name: an identity of its own where that can
 * be given, Landlock for files, signals and TCP, the filters, the limits of resources. The processes are the same as
 * everywhere: a maker, one of ours above each step (here the warden), the parked step. */
#ifndef PORTABLE_H
#define PORTABLE_H

#include "sandbox/internal.h"

/* What a policy shows, open since before anything foreign ran. */
struct places {
    int abi; /* of Landlock */
    struct {
        int fd;          /* -1: there is nothing at this entry to be shown */
        uint64_t rights; /* for files, directories and what is below them */
    } entries[MOUNT_LIMIT];
    int scratch;                       /* the directory in which each sandbox has one of its own */
    char scratch_path[PATH_LIMIT + 1]; /* of that */
};

/* In the maker, once. What cannot be shown where there is no mount namespace is a failure. */
int open_places(struct places *places, const struct define *policy, const char *directory, struct failure *failure);

/* A sandbox's own directory of scratch space; the path of it goes to `path`. -1: the descriptor could not be had. */
int make_scratch(const struct places *places, const struct define *policy, const struct make_request *request,
                 char path[PATH_LIMIT + 1], struct failure *failure);

/* All that a step of the sandbox may do to files, as a ruleset of Landlock that it puts on itself. -1 on failure. */
int make_ruleset(const struct places *places, const struct define *policy, int scratch, struct failure *failure);

/* By the process that is to become the step: it may read what /proc says of itself. */
int show_itself(int ruleset);

/* In a child of the maker. `cgroup`: v2, to be joined; or -1. */
_Noreturn void warden_main(const struct places *places, struct sandbox_start *start, int cgroup);

/* In the maker: a sandbox, and its end. */
struct warden;
int make_portable(const struct places *places, struct warden **wardens, const struct make_request *request,
                  struct sandbox_start *start, int cgroup, int *pidfd, struct failure *failure);
void look_after_wardens(const struct places *places, struct warden **wardens);
/* Until there is a message for the maker. */
void wait_for_message(const struct places *places, struct warden **wardens, int socket);
int prepare_wardens(void);

#endif
