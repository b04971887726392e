/* See map.h. */
#define NAPI_VERSION 8
#include "addon/map.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LEAST_MAPPED = 256 * 1024, LEAST_UNMAPPED_LATER = 8 * 1024 * 1024, UNMAP_STACK = 256 * 1024 };

struct mapping {
    void *data;
    size_t length;
};

static void *unmap_in_thread(void *given)
{
    struct mapping mapping = *(struct mapping *)given;
    free(given);
    munmap(mapping.data, mapping.length);
    return NULL;
}

/* The last mapping of a file that nobody has open gives back its memory, some 80 ms for a GiB: JavaScript goes on. */
static bool unmap_later(void *data, size_t length)
{
    pthread_t thread;
    pthread_attr_t attributes;
    struct mapping *mapping = malloc(sizeof(*mapping));
    if (!mapping)
        return false;
    *mapping = (struct mapping){data, length};
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, UNMAP_STACK);
    bool begun = !pthread_create(&thread, &attributes, unmap_in_thread, mapping);
    pthread_attr_destroy(&attributes);
    if (!begun)
        free(mapping);
    return begun;
}

static void unmap(napi_env env, void *data, void *hint)
{
    (void)env;
    size_t length = (size_t)(uintptr_t)hint;
    if (length < LEAST_UNMAPPED_LATER || !unmap_later(data, length))
        munmap(data, length);
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
