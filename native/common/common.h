/* What every part of the native core shares: failures as values, descriptors that close themselves. */
#ifndef COMMON_H
#define COMMON_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* A function succeeds with 0, or fills a failure and returns -1. The app makes the sentence. */
struct failure {
    uint32_t stage; /* enum stage */
    int32_t error;  /* errno */
    uint32_t layer; /* enum layer, with STAGE_LAYER */
    uint32_t by;    /* enum by, with STAGE_LAYER */
    char path[256]; /* cut when longer; empty when none */
};

static inline int fail(struct failure *out, enum stage stage, const char *path)
{
    out->stage = stage;
    out->error = errno;
    out->layer = 0;
    out->by = 0;
    out->path[0] = 0;
    if (path) {
        size_t length = strnlen(path, sizeof(out->path) - 1);
        memcpy(out->path, path, length);
        out->path[length] = 0;
    }
    return -1;
}

static inline int fail_layer(struct failure *out, enum layer layer)
{
    fail(out, STAGE_LAYER, NULL);
    out->layer = layer;
    return -1;
}

/* An error that says nothing of what was tried: the next time it may work. */
static inline bool is_exhaustion(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

static inline void close_descriptor(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

#define autoclose __attribute__((cleanup(close_descriptor)))

static inline int take_descriptor(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

uint64_t monotonic_ns(void);

/* Takes as many descriptors as may be had, and answers how many; 0 when that cannot be told. */
uint64_t raise_descriptor_limit(void);

/* Writes text to the file `path` below `directory` with one write(2). */
int write_file_at(int directory, const char *path, const char *text);

/* Reads at most size - 1 bytes and ends them with NUL; returns the length or -1. */
ssize_t read_file_at(int directory, const char *path, char *out, size_t size);
ssize_t read_descriptor(int fd, char *out, size_t size);
/* For files of the kernel's that are one record, like those of cgroups: one read(2) gives all of it. */
ssize_t read_record(int fd, char *out, size_t size);

#endif
