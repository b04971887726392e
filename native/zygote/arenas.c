/* See arenas.h. CPython takes the memory of its small objects in arenas, wherever the kernel puts them, and only few of
 * them fill an aligned piece of 2 MiB. From one region, all do: a fork then copies one entry for what took 512. Of no
 * account for security. */
#include "zygote/arenas.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* PyObjectArenaAllocator, since 3.4. */
struct arena_allocator {
    void *context;
    void *(*allocate)(void *context, size_t size);
    void (*release)(void *context, void *arena, size_t size);
};

enum { MOST_ARENAS = 1024 };
static const size_t HUGE = 2u << 20,
                    LARGEST = 1u << 20; /* 3.10 and later have arenas of 1 MiB, older ones of 256 KiB */

static struct arena_allocator original;
static struct {
    char *start;
    size_t arena_size; /* 0: before the first */
    size_t used;       /* arenas that were taken at least once, the first ones */
    size_t freed_count;
    uint16_t freed[MOST_ARENAS];
} region;

static bool is_ours(const void *arena)
{
    uintptr_t at = (uintptr_t)arena, start = (uintptr_t)region.start;
    return at >= start && at - start < MOST_ARENAS * LARGEST;
}

static void *allocate(void *context, size_t size)
{
    if (region.arena_size == 0 && size <= LARGEST)
        region.arena_size = size;
    if (size == region.arena_size && region.freed_count > 0)
        return region.start + region.freed[--region.freed_count] * size;
    if (size == region.arena_size && region.used < MOST_ARENAS)
        return region.start + region.used++ * size;
    return original.allocate(context, size);
}

static void release(void *context, void *arena, size_t size)
{
    if (!is_ours(arena)) {
        original.release(context, arena, size);
        return;
    }
    madvise(arena, size, MADV_DONTNEED);
    region.freed[region.freed_count++] = (uint16_t)(((uintptr_t)arena - (uintptr_t)region.start) / size);
}

void provide_arenas(void)
{
    void (*get)(struct arena_allocator *), (*set)(struct arena_allocator *);
    *(void **)&get = dlsym(RTLD_DEFAULT, "PyObject_GetArenaAllocator");
    *(void **)&set = dlsym(RTLD_DEFAULT, "PyObject_SetArenaAllocator");
    if (!get || !set)
        return;
    void *memory = mmap(NULL, MOST_ARENAS * LARGEST + HUGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return;
    region.start = (char *)(((uintptr_t)memory + HUGE - 1) & ~(HUGE - 1));
    get(&original);
    struct arena_allocator ours = {original.context, allocate, release};
    set(&ours);
}

void settle_arenas(void)
{
    if (region.start)
        madvise(region.start, MOST_ARENAS * LARGEST, MADV_NOHUGEPAGE);
}
