/* See node_typed.h. Runs in a step, before any code of its author does. */
#define NAPI_VERSION 8
#include "zygote/node_typed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "addon/map.h"

/* What a step opens has the low numbers, as it would have without us. But from 64 on the kernel makes a larger table,
 * and waits some 10 ms until no other thread uses the old one (expand_fdtable(), synchronize_rcu()). */
enum { FIRST_FREE = 48 };

static napi_value refuse(napi_env env, const char *what)
{
    char words[256];
    snprintf(words, sizeof(words), "%s: %s", what, strerror(errno));
    napi_throw_error(env, NULL, words);
    return NULL;
}

napi_value node_move_away(napi_env env, napi_callback_info info)
{
    napi_value arguments[2], result = NULL;
    size_t count = 2;
    int32_t fd = -1, instead = -1;
    errno = EINVAL;
    if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 1 ||
        napi_get_value_int32(env, arguments[0], &fd) != napi_ok)
        return refuse(env, "no descriptor");
    if (count < 2 || napi_get_value_int32(env, arguments[1], &instead) != napi_ok)
        instead = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE);
    if (moved < 0 || instead < 0 || dup2(instead, fd) < 0)
        return refuse(env, "a descriptor cannot be moved");
    close(instead);
    napi_create_int32(env, moved, &result);
    return result;
}

napi_value node_map(napi_env env, napi_callback_info info)
{
    napi_value arguments[2], result = NULL;
    size_t count = 2;
    int32_t fd = -1;
    int64_t length = 0;
    errno = EINVAL;
    if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 2 ||
        napi_get_value_int32(env, arguments[0], &fd) != napi_ok ||
        napi_get_value_int64(env, arguments[1], &length) != napi_ok || length <= 0)
        return refuse(env, "no file");
    int failed = map_file(env, fd, (size_t)length, &result);
    errno = -failed;
    return failed ? refuse(env, "a table cannot be mapped") : result;
}
