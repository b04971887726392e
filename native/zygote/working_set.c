/* See working_set.h. Runs in the zygote and in what is forked from it; of no account for security: what is wrong here
 * costs time. */
#include "zygote/working_set.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/common.h"
#include "zygote/mappings.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum {
    MOST_RANGES = 4096,
    PAGES_AT_ONCE = 512,
    NEAR = 1,           /* pages between two that are not worth a call of their own */
    MOST_WRITTEN = 870, /* pages of memory that a step that waits takes for it */
    PAGE_SHIFT = 12,
};
static const uint64_t PRESENT = 1ull << 63, OF_FILE = 1ull << 61, EXCLUSIVE = 1ull << 56;

struct range {
    uintptr_t first, count; /* pages */
    bool written;
};

/* What the child of a rehearsal found: shared with the zygote while it lasts, and no longer, or steps would share it.
 */
struct lesson {
    size_t count, written;
    struct range ranges[MOST_RANGES];
};

static struct lesson *lesson;
static struct range *ranges;
static size_t range_count;

void collapse_memory(void)
{
    const uintptr_t huge = 2u << 20;
    struct mapping mapping;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && next_mapping(maps, &mapping)) {
        if (mapping.named || mapping.access[1] != 'w' || mapping.access[3] != 'p')
            continue;
        /* One by one: a range without any memory is an error, and ends a call for several. */
        for (uintptr_t at = (mapping.start + huge - 1) & ~(huge - 1); at + huge <= mapping.end; at += huge)
            madvise((void *)at, huge, MADV_COLLAPSE);
    }
    if (maps)
        fclose(maps);
}

static void add_page(uintptr_t page, bool written)
{
    struct range *last = lesson->count ? &lesson->ranges[lesson->count - 1] : NULL;
    if (written && lesson->written++ >= MOST_WRITTEN)
        return;
    uintptr_t near = written ? 0 : NEAR; /* one that is only looked at costs no memory */
    if (last && last->written == written && page >= last->first && page <= last->first + last->count + near) {
        last->count = page - last->first + 1;
        return;
    }
    if (lesson->count < MOST_RANGES)
        lesson->ranges[lesson->count++] = (struct range){page, 1, written};
}

/* A page of anonymous memory that only we have was written to since the fork; one of a file that is mapped was looked
 * at, as a fork leaves those out. */
static void look_at(int pagemap, uintptr_t first, uintptr_t end, bool writable)
{
    static uint64_t entries[PAGES_AT_ONCE];
    for (uintptr_t page = first; page < end;) {
        uintptr_t wanted = end - page < PAGES_AT_ONCE ? end - page : PAGES_AT_ONCE;
        ssize_t got = pread(pagemap, entries, wanted * sizeof(*entries), (off_t)(page * sizeof(*entries)));
        if (got <= 0)
            return;
        for (size_t i = 0; i < (size_t)got / sizeof(*entries); i++) {
            bool present = entries[i] & PRESENT, file = entries[i] & OF_FILE;
            if (present && file)
                add_page(page + i, false);
            else if (present && writable && (entries[i] & EXCLUSIVE))
                add_page(page + i, true);
        }
        page += (size_t)got / sizeof(*entries);
    }
}

static void find_touched(void)
{
    struct mapping mapping;
    autoclose int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "re");
    while (pagemap >= 0 && maps && next_mapping(maps, &mapping)) {
        if (mapping.access[0] == 'r' && mapping.access[3] == 'p')
            look_at(pagemap, mapping.start >> PAGE_SHIFT, mapping.end >> PAGE_SHIFT, mapping.access[1] == 'w');
    }
    if (maps)
        fclose(maps);
}

_Noreturn void tell_working_set(void)
{
    find_touched();
    _exit(0);
}

static void keep_lesson(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    size_t size = lesson->count * sizeof(*ranges);
    ranges = WIFEXITED(status) && WEXITSTATUS(status) == 0 && size > 0 ? malloc(size) : NULL;
    if (ranges) {
        memcpy(ranges, lesson->ranges, size);
        range_count = lesson->count;
    }
}

bool rehearse(void)
{
    enum { MOST_SECONDS = 10 };
    if (sysconf(_SC_PAGESIZE) != 1 << PAGE_SHIFT)
        return false;
    void *shared = mmap(NULL, sizeof(*lesson), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return false;
    lesson = shared;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(MOST_SECONDS); /* a preload that cannot bear a fork would keep the zygote waiting */
        return true;
    }
    if (child > 0)
        keep_lesson(child);
    munmap(lesson, sizeof(*lesson));
    lesson = NULL;
    return false;
}

void populate_working_set(void)
{
    for (size_t i = 0; i < range_count; i++) {
        void *start = (void *)(ranges[i].first << PAGE_SHIFT);
        madvise(start, ranges[i].count << PAGE_SHIFT, ranges[i].written ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
    }
}
