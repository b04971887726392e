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

#include "common/common.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

enum {
    MOST_RANGES = 4096,
    PAGES_AT_ONCE = 512,
    NEAR = 1, /* pages between two that are not worth a call of their own */
    PAGE_SHIFT = 12,
};
static const uint64_t PRESENT = 1ull << 63, OF_FILE = 1ull << 61, EXCLUSIVE = 1ull << 56;

struct range {
    uintptr_t first, count; /* pages */
    bool written;
};

static struct range ranges[MOST_RANGES];
static size_t range_count;
static int told = -1;

static void add_page(uintptr_t page, bool written)
{
    struct range *last = range_count ? &ranges[range_count - 1] : NULL;
    if (last && last->written == written && page >= last->first && page <= last->first + last->count + NEAR) {
        last->count = page - last->first + 1;
        return;
    }
    if (range_count < MOST_RANGES)
        ranges[range_count++] = (struct range){page, 1, written};
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
    char line[512], access[5];
    unsigned long start, end;
    autoclose int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "re");
    while (pagemap >= 0 && maps && fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %4s", &start, &end, access) == 3 && access[0] == 'r' && access[3] == 'p' &&
            !strstr(line, "[v"))
            look_at(pagemap, start >> PAGE_SHIFT, end >> PAGE_SHIFT, access[1] == 'w');
    }
    if (maps)
        fclose(maps);
}

_Noreturn void tell_working_set(void)
{
    find_touched();
    const char *data = (const char *)ranges;
    for (size_t left = range_count * sizeof(*ranges); left > 0;) {
        ssize_t written = write(told, data, left);
        if (written <= 0)
            break;
        data += written;
        left -= (size_t)written;
    }
    _exit(0);
}

static size_t read_whole(int fd, char *out, size_t size)
{
    size_t used = 0;
    for (ssize_t got; used < size && (got = read(fd, out + used, size - used)) > 0;)
        used += (size_t)got;
    return used;
}

bool rehearse(int (*forker)(void))
{
    enum { MOST_SECONDS = 10 };
    int ends[2];
    if (sysconf(_SC_PAGESIZE) != 1 << PAGE_SHIFT || pipe2(ends, O_CLOEXEC))
        return false;
    int child = forker();
    if (child == 0) {
        close(ends[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(MOST_SECONDS); /* a preload that cannot bear a fork would keep the zygote waiting */
        told = ends[1];
        range_count = 0;
        return true;
    }
    close(ends[1]);
    size_t used = child < 0 ? 0 : read_whole(ends[0], (char *)ranges, sizeof(ranges));
    close(ends[0]);
    range_count = used / sizeof(*ranges);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
    return false;
}

void populate_working_set(void)
{
    for (size_t i = 0; i < range_count; i++) {
        void *start = (void *)(ranges[i].first << PAGE_SHIFT);
        madvise(start, ranges[i].count << PAGE_SHIFT, ranges[i].written ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
    }
}
