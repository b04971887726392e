/* Deadlines: a binary heap, nearest first. Runs in the spawner. */
#include "spawner/spawner.h"

#include <stdlib.h>

static void put(struct timers *timers, size_t index, struct timer *timer)
{
    timers->heap[index] = timer;
    timer->index = index;
}

static void rise(struct timers *timers, struct timer *timer)
{
    size_t index = timer->index;
    while (index > 1 && timers->heap[index / 2]->at > timer->at) {
        put(timers, index, timers->heap[index / 2]);
        index /= 2;
    }
    put(timers, index, timer);
}

static void sink(struct timers *timers, struct timer *timer)
{
    size_t index = timer->index;
    for (size_t child; (child = index * 2) <= timers->count; index = child) {
        if (child < timers->count && timers->heap[child + 1]->at < timers->heap[child]->at)
            child++;
        if (timers->heap[child]->at >= timer->at)
            break;
        put(timers, index, timers->heap[child]);
    }
    put(timers, index, timer);
}

int set_timer(struct timers *timers, struct timer *timer, uint64_t at)
{
    if (timer->index == 0) {
        if (timers->count + 2 > timers->room) {
            size_t room = timers->room ? timers->room * 2 : 64;
            struct timer **heap = realloc(timers->heap, room * sizeof(*heap));
            if (!heap)
                return -1;
            timers->heap = heap;
            timers->room = room;
        }
        put(timers, ++timers->count, timer);
    }
    timer->at = at;
    rise(timers, timer);
    sink(timers, timer);
    return 0;
}

void clear_timer(struct timers *timers, struct timer *timer)
{
    size_t index = timer->index;
    if (index == 0)
        return;
    struct timer *last = timers->heap[timers->count--];
    timer->index = 0;
    if (last == timer)
        return;
    put(timers, index, last);
    rise(timers, last);
    sink(timers, last);
}

int next_timeout_ms(const struct timers *timers)
{
    if (timers->count == 0)
        return -1;
    uint64_t now = monotonic_ns(), at = timers->heap[1]->at;
    if (at <= now)
        return 0;
    uint64_t ms = (at - now + 999999) / 1000000;
    return ms > 60000 ? 60000 : (int)ms;
}

void expire_timers(struct spawner *spawner)
{
    uint64_t now = monotonic_ns();
    struct timers *timers = &spawner->timers;
    while (timers->count > 0 && timers->heap[1]->at <= now) {
        struct timer *timer = timers->heap[1];
        clear_timer(timers, timer);
        timer->expired(spawner, timer);
    }
}
