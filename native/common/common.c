/* Clock, small files, the limit of descriptors. Used by every process of the native core. */
#include "common/common.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>

uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int write_file_at(int directory, const char *path, const char *text)
{
    autoclose int fd = openat(directory, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t length = strlen(text);
    return write(fd, text, length) == (ssize_t)length ? 0 : -1;
}

ssize_t read_descriptor(int fd, char *out, size_t size)
{
    size_t used = 0;
    while (used < size - 1) {
        ssize_t n = pread(fd, out + used, size - 1 - used, (off_t)used);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    out[used] = 0;
    return (ssize_t)used;
}

uint64_t raise_descriptor_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files))
        return 0;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_max;
}

ssize_t read_record(int fd, char *out, size_t size)
{
    ssize_t length = pread(fd, out, size - 1, 0);
    out[length > 0 ? length : 0] = 0;
    return length;
}

ssize_t read_file_at(int directory, const char *path, char *out, size_t size)
{
    autoclose int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -1 : read_descriptor(fd, out, size);
}
