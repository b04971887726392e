/* The few functions of libuv that the addon calls. Node exports them and libuv 1.x keeps them stable; its headers are
 * not on every machine, and the size of the handle is asked for at run time. */
#ifndef ADDON_UV_H
#define ADDON_UV_H

#include <stddef.h>

typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s {
    void *data; /* the first member of every handle, by libuv's documentation */
} uv_handle_t;

enum { UV_POLL_TYPE = 8, UV_READABLE_EVENT = 1 };

size_t uv_handle_size(int type);
int uv_poll_init(uv_loop_t *loop, uv_handle_t *handle, int fd);
int uv_poll_start(uv_handle_t *handle, int events, void (*callback)(uv_handle_t *handle, int status, int events));
int uv_poll_stop(uv_handle_t *handle);
void uv_close(uv_handle_t *handle, void (*callback)(uv_handle_t *handle));
void uv_ref(uv_handle_t *handle);
void uv_unref(uv_handle_t *handle);

#endif
