/* Descriptors as numbers: made, written to, sealed, mapped and closed. Runs in the app. Each that is given to
 * JavaScript is noted (lent.h) until it comes back. */
#define NAPI_VERSION 8
#include "addon/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

#include "addon/lent.h"
#include "addon/map.h"
#include "addon/values.h"
#include "common/common.h"
#include "common/packet.h"

static napi_value channel(napi_env env, napi_callback_info info)
{
    int pair[2];
    napi_value result;
    (void)info;
    errno = ENOMEM;
    if (reserve_lent(lent_of(env), 2) || packet_pair(pair))
        return number(env, -errno);
    lend(lent_of(env), pair[0]);
    lend(lent_of(env), pair[1]);
    int size = 1 << 20; /* a burst of starts; the system may grant less */
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    napi_create_array_with_length(env, 2, &result);
    napi_set_element(env, result, 0, number(env, pair[0]));
    napi_set_element(env, result, 1, number(env, pair[1]));
    return result;
}

static napi_value write_bytes_to(napi_env env, napi_callback_info info)
{
    napi_value arguments[2];
    size_t count = 2, length;
    int32_t fd;
    uint8_t *data;
    if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 2 ||
        napi_get_value_int32(env, arguments[0], &fd) != napi_ok || !bytes_of(env, arguments[1], &data, &length))
        return number(env, -EINVAL);
    ssize_t written;
    do {
        written = write(fd, data, length); /* Node ignores SIGPIPE */
    } while (written < 0 && errno == EINTR);
    return number(env, written < 0 ? -errno : written);
}

static bool descriptor_of(napi_env env, napi_callback_info info, int32_t *fd)
{
    napi_value argument;
    size_t count = 1;
    return napi_get_cb_info(env, info, &count, &argument, NULL, NULL) == napi_ok && count == 1 &&
           napi_get_value_int32(env, argument, fd) == napi_ok;
}

static napi_value close_fd(napi_env env, napi_callback_info info)
{
    int32_t fd;
    if (descriptor_of(env, info, &fd)) {
        give_up(lent_of(env), fd);
        close(fd);
    }
    return NULL;
}

static void *close_it(void *fd)
{
    close((int)(intptr_t)fd);
    return NULL;
}

/* Whoever closes the last descriptor of a file system that is mounted nowhere waits until all in it is given up: a
 * thread that nobody waits for. */
static napi_value close_aside(napi_env env, napi_callback_info info)
{
    int32_t fd;
    pthread_t thread;
    sigset_t all, before;
    if (!descriptor_of(env, info, &fd))
        return NULL;
    give_up(lent_of(env), fd);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* its, too: signals are for the other threads */
    int failed = pthread_create(&thread, NULL, close_it, (void *)(intptr_t)fd);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        close(fd);
    else
        pthread_detach(thread);
    return NULL;
}

static napi_value release_fd(napi_env env, napi_callback_info info)
{
    int32_t fd;
    if (descriptor_of(env, info, &fd))
        give_up(lent_of(env), fd);
    return NULL;
}

/* The file's bytes as an ArrayBuffer, or minus an errno. */
static napi_value map(napi_env env, napi_callback_info info)
{
    napi_value arguments[2], result = NULL;
    size_t count = 2;
    int32_t fd;
    int64_t length;
    if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 2 ||
        napi_get_value_int32(env, arguments[0], &fd) != napi_ok ||
        napi_get_value_int64(env, arguments[1], &length) != napi_ok || length <= 0)
        return number(env, -EINVAL);
    int failed = map_file(env, fd, (size_t)length, &result);
    return failed ? number(env, failed) : result;
}

/* What map() gave: its memory is given back at once, and the ArrayBuffer has none any more. */
static napi_value unmap(napi_env env, napi_callback_info info)
{
    napi_value buffer;
    size_t count = 1;
    if (napi_get_cb_info(env, info, &count, &buffer, NULL, NULL) == napi_ok && count == 1)
        napi_detach_arraybuffer(env, buffer);
    return NULL;
}

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* Linux 6.3 */
#endif

/* Into room that was reserved; or minus an errno. */
static napi_value lent_number(napi_env env, int fd)
{
    if (fd < 0)
        return number(env, -errno);
    lend(lent_of(env), fd);
    return number(env, fd);
}

static napi_value memory(napi_env env, napi_callback_info info)
{
    (void)info;
    if (reserve_lent(lent_of(env), 1))
        return number(env, -ENOMEM);
    int fd = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return lent_number(env, fd);
}

static napi_value seal(napi_env env, napi_callback_info info)
{
    int32_t fd;
    if (!descriptor_of(env, info, &fd))
        return number(env, -EINVAL);
    int failed = fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    return number(env, failed ? -errno : 0);
}

/* The path as bytes with an end; NULL, with errno: it is neither a string nor bytes, or contains NUL, or is too long.
 */
static char *path_of(napi_env env, napi_value value)
{
    enum { PATH_ROOM = 4096 };
    uint8_t *data = NULL;
    size_t length = 0;
    char *path = malloc(PATH_ROOM + 1);
    errno = ENOMEM;
    if (!path)
        return NULL;
    bool given = bytes_of(env, value, &data, &length);
    if (given && length < PATH_ROOM)
        memcpy(path, length > 0 ? (const void *)data : "", length);
    else if (!given && napi_get_value_string_utf8(env, value, path, PATH_ROOM + 1, &length) != napi_ok)
        length = 0;
    errno = length >= PATH_ROOM ? ENAMETOOLONG : EINVAL;
    if (length == 0 || length >= PATH_ROOM || memchr(path, 0, length)) {
        free(path);
        return NULL;
    }
    path[length] = 0;
    return path;
}

/* It neither waits for the other end of a FIFO nor becomes the app's terminal. */
static napi_value open_file(napi_env env, napi_callback_info info)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    napi_value argument;
    size_t count = 1;
    if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count < 1)
        return number(env, -EINVAL);
    if (reserve_lent(lent_of(env), 1))
        return number(env, -ENOMEM);
    char *path = path_of(env, argument);
    if (!path)
        return number(env, -errno);
    int fd;
    do {
        fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    } while (fd < 0 && errno == EINTR);
    int error = errno;
    free(path);
    errno = error;
    return lent_number(env, fd);
}

/* What a packet of one byte brings: [descriptor or -1, the byte], or minus the errno. */
static napi_value receive(napi_env env, napi_callback_info info)
{
    int32_t socket;
    uint8_t byte = 0;
    int fd;
    napi_value result;
    if (!descriptor_of(env, info, &socket))
        return number(env, -EINVAL);
    if (reserve_lent(lent_of(env), 1))
        return number(env, -ENOMEM);
    if (receive_one(socket, &byte, &fd) < 0)
        return number(env, -errno);
    if (fd >= 0)
        lend(lent_of(env), fd);
    napi_create_array_with_length(env, 2, &result);
    napi_set_element(env, result, 0, number(env, fd));
    napi_set_element(env, result, 1, number(env, byte));
    return result;
}

/* The first byte of an extended attribute of an open file, or minus the errno; 0 when it is empty. */
static napi_value attribute(napi_env env, napi_callback_info info)
{
    napi_value arguments[2];
    size_t count = 2;
    int32_t fd;
    uint8_t value[64] = {0};
    if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 2 ||
        napi_get_value_int32(env, arguments[0], &fd) != napi_ok)
        return number(env, -EINVAL);
    char *name = path_of(env, arguments[1]);
    if (!name)
        return number(env, -errno);
    ssize_t length = fgetxattr(fd, name, value, sizeof(value));
    int error = errno;
    free(name);
    return number(env, length < 0 ? -error : value[0]);
}

/* What another terminal has made lines of is not to be made lines of again; Node's raw mode leaves that on. */
static napi_value pass_output(napi_env env, napi_callback_info info)
{
    int32_t fd;
    struct termios settings;
    if (!descriptor_of(env, info, &fd))
        return number(env, -EINVAL);
    if (tcgetattr(fd, &settings))
        return number(env, -errno);
    settings.c_oflag &= ~(tcflag_t)OPOST;
    return number(env, tcsetattr(fd, TCSADRAIN, &settings) ? -errno : 0);
}

void define_descriptors(napi_env env, napi_value exports)
{
    napi_property_descriptor functions[] = {
        {"channel", NULL, channel, NULL, NULL, NULL, napi_enumerable, NULL},
        {"write", NULL, write_bytes_to, NULL, NULL, NULL, napi_enumerable, NULL},
        {"close", NULL, close_fd, NULL, NULL, NULL, napi_enumerable, NULL},
        {"closeAside", NULL, close_aside, NULL, NULL, NULL, napi_enumerable, NULL},
        {"release", NULL, release_fd, NULL, NULL, NULL, napi_enumerable, NULL},
        {"map", NULL, map, NULL, NULL, NULL, napi_enumerable, NULL},
        {"unmap", NULL, unmap, NULL, NULL, NULL, napi_enumerable, NULL},
        {"memory", NULL, memory, NULL, NULL, NULL, napi_enumerable, NULL},
        {"seal", NULL, seal, NULL, NULL, NULL, napi_enumerable, NULL},
        {"passOutput", NULL, pass_output, NULL, NULL, NULL, napi_enumerable, NULL},
        {"openFile", NULL, open_file, NULL, NULL, NULL, napi_enumerable, NULL},
        {"receive", NULL, receive, NULL, NULL, NULL, napi_enumerable, NULL},
        {"attribute", NULL, attribute, NULL, NULL, NULL, napi_enumerable, NULL},
    };
    napi_define_properties(env, exports, LENGTH(functions), functions);
}
