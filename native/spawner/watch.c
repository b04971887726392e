/* epoll, and the loop's registration of descriptors. Runs in the spawner. */
#include "spawner/spawner.h"

#include <fcntl.h>
#include <sys/epoll.h>

int watch_descriptor(struct spawner *spawner, struct watch *watch, int fd, uint32_t events,
                     void (*ready)(struct spawner *, struct watch *, uint32_t))
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    watch->fd = fd;
    watch->ready = ready;
    return epoll_ctl(spawner->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Closing alone would not do: a copy of the descriptor in another process keeps the registration alive. */
void unwatch(struct spawner *spawner, struct watch *watch)
{
    if (watch->fd < 0)
        return;
    epoll_ctl(spawner->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    close_descriptor(&watch->fd);
}

/* A message whose descriptors find no room here would be lost, and steps that wait with their pipes could leave no room
 * to make the sandbox that they wait for. Numbers are given lowest first, so the next one tells how many are in use. */
bool is_short_of_descriptors(const struct spawner *spawner, uint32_t needed)
{
    int next = fcntl(spawner->epoll, F_DUPFD_CLOEXEC, 0);
    if (next >= 0)
        close(next);
    return next < 0 || (uint64_t)next + needed > spawner->descriptor_limit;
}
