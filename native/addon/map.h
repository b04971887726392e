/* Files as memory of JavaScript. */
#ifndef MAP_H
#define MAP_H

#include <node_api.h>
#include <stddef.h>

/* Makes an ArrayBuffer of the first `length` bytes, of which there must be at least one. 0, or minus an errno. The
 * caller keeps the file where nobody else can truncate it: pages beyond its end are no memory, and touching one is
 * SIGBUS. */
int map_file(napi_env env, int fd, size_t length, napi_value *result);

#endif
