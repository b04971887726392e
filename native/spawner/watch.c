/* epoll, and the loop's registration of descriptors. Runs in the spawner. */
#include "spawner/spawner.h"

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
