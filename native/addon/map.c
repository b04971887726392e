/* See map.h. */
#define NAPI_VERSION 8
#include "addon/map.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LEAST_MAPPED = 256 * 1024 };

static void unmap(napi_env env, void *data, void *hint)
{
    (void)env;
    munmap(data, (size_t)(uintptr_t)hint);
}

/* For small files, of which thousands could wait to be collected and the system counts mappings; and where memory that
 * is not V8's own is forbidden (a build with a sandbox for it). */
static int read_whole(napi_env env, int fd, size_t length, napi_value *result)
{
    void *data = NULL;
    size_t have = 0;
    if (napi_create_arraybuffer(env, length, &data, result) != napi_ok)
        return -ENOMEM;
    while (have < length) {
        ssize_t got = pread(fd, (uint8_t *)data + have, length - have, (off_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -ENODATA;
        have += (size_t)got;
    }
    return 0;
}

/* Writable, because JavaScript that writes into memory that is not would end Node; private, so that nothing of it
 * reaches the file. */
int map_file(napi_env env, int fd, size_t length, napi_value *result)
{
    if (length < LEAST_MAPPED)
        return read_whole(env, fd, length, result);
    void *data = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
    if (data == MAP_FAILED)
        return -errno;
    napi_status made = napi_create_external_arraybuffer(env, data, length, unmap, (void *)(uintptr_t)length, result);
    if (made == napi_ok)
        return 0;
    munmap(data, length);
    return made == napi_no_external_buffers_allowed ? read_whole(env, fd, length, result) : -ENOMEM;
}
