/* The spawner: started by the app with one end of a socket as descriptor 3; lives until the other end closes.
 * The same binary, called as `maker`, is a maker. */
#include "spawner/spawner.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

enum { APP_SOCKET = 3, EVENTS = 64 };

/* Whatever the app's launcher left: steps inherit what is ignored. */
static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int prepare(struct spawner *spawner)
{
    setsid(); /* what a terminal sends to the app's process group is the app's to act on; ours is the end of the socket
               */
    signal(SIGPIPE, SIG_IGN);
    spawner->descriptor_limit = raise_descriptor_limit();
    prctl(PR_SET_NAME, "sandbox-spawner");
    spawner->reserve = spawner->record = spawner->state = spawner->uid_locks = spawner->proc = spawner->self = -1;
    for (size_t i = 0; i < HIERARCHIES; i++)
        spawner->cgroups.parents[i] = -1;
    spawner->epoll = epoll_create1(EPOLL_CLOEXEC);
    close_range(APP_SOCKET + 1, (unsigned)spawner->epoll - 1, 0);
    return spawner->epoll < 0 ? -1 : watch_descriptor(spawner, &spawner->app, APP_SOCKET, EPOLLIN, app_ready);
}

static void run_once(struct spawner *spawner)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(spawner->epoll, events, EVENTS, next_timeout_ms(&spawner->timers));
    for (int i = 0; i < count; i++) {
        struct watch *watch = events[i].data.ptr;
        if (watch->fd >= 0)
            watch->ready(spawner, watch, events[i].events);
    }
    expire_timers(spawner);
    tell_destroyed_zygotes(spawner);
    refill_pools(spawner);
    free_dropped(spawner);
    free_dropped_slots(spawner);
    free_dropped_zygotes(spawner);
    free_forgotten(spawner);
    listen_again(spawner);
}

/* The app is gone or wants us gone: everything ends now. Sandboxes report their end by pidfd within moments; what does
 * not within a second is left to the kernel, which ends it with its maker, and its cgroup to the next spawner's sweep.
 */
static void end_everything(struct spawner *spawner)
{
    uint64_t deadline = monotonic_ns() + 1000000000u;
    spawner->ending = true;
    unwatch(spawner, &spawner->app);
    for (struct policy *policy = spawner->policies; policy; policy = policy->next)
        forget_policy(spawner, policy->id);
    for (struct sandbox *next, *sandbox = spawner->others; sandbox; sandbox = next) {
        next = sandbox->next;
        end_sandbox(spawner, sandbox);
    }
    while (spawner->others && monotonic_ns() < deadline) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(spawner->epoll, events, EVENTS, 10);
        for (int i = 0; i < count; i++) {
            struct watch *watch = events[i].data.ptr;
            if (watch->fd >= 0)
                watch->ready(spawner, watch, events[i].events);
        }
        free_dropped(spawner);
    }
    leave(spawner);
}

int main(int argc, char **argv)
{
    static struct spawner spawner;
    reset_signals();
    if (argc >= 2 && !strcmp(argv[1], "maker"))
        return maker_main(argc > 2 ? argv[2] : NULL, false);
    if (argc >= 3 && !strcmp(argv[1], "portable-maker"))
        return maker_main(argv[2], true);
    if (prepare(&spawner))
        return 1;
    while (!spawner.ending)
        run_once(&spawner);
    end_everything(&spawner);
    return 0;
}
