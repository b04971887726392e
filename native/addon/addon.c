/* The face that JavaScript sees (src/spawner/native.ts): numbers and bytes in, numbers and bytes out. Runs in the app.
 */
#define NAPI_VERSION 8
#include <errno.h>
#include <node_api.h>
#include <stdlib.h>

#include "addon/descriptors.h"
#include "addon/lent.h"
#include "addon/reactor.h"
#include "addon/values.h"
#include "common/common.h"

enum { MESSAGE, DATA, ROOM, WRITABLE, CLOSED, CALLBACKS };

/* Lives until JavaScript has dropped the object and libuv the handle. */
struct owner {
    struct reactor reactor;
    napi_env env;
    napi_ref self, callbacks[CALLBACKS];
    napi_async_context context;
    napi_async_cleanup_hook_handle cleanup;
    bool closing, handle_closed, finalized, in_teardown;
};

static void thread_ends(void *data)
{
    close_lent(data);
    free(data);
}

static void free_if_done(struct owner *owner)
{
    if (!owner->handle_closed || !owner->finalized)
        return;
    free(owner->reactor.handle);
    free(owner->reactor.space);
    free(owner);
}

/* An exception of a callback is the app's own bug: it is raised where Node raises those of its own callbacks. */
static void call(struct owner *owner, int which, size_t count, napi_value *arguments)
{
    napi_value self, function, result, error;
    if (napi_get_reference_value(owner->env, owner->self, &self) != napi_ok || !self ||
        napi_get_reference_value(owner->env, owner->callbacks[which], &function) != napi_ok)
        return;
    if (napi_make_callback(owner->env, owner->context, self, function, count, arguments, &result) ==
            napi_pending_exception &&
        napi_get_and_clear_last_exception(owner->env, &error) == napi_ok)
        napi_fatal_exception(owner->env, error);
}

static void told_message(void *data, const uint8_t *bytes, size_t length)
{
    struct owner *owner = data;
    napi_handle_scope scope;
    napi_value packet;
    napi_open_handle_scope(owner->env, &scope);
    if (napi_create_buffer_copy(owner->env, length, bytes, NULL, &packet) == napi_ok)
        call(owner, MESSAGE, 1, &packet);
    napi_close_handle_scope(owner->env, scope);
}

static void told_data(void *data, int64_t stream, const uint8_t *bytes, size_t length)
{
    struct owner *owner = data;
    napi_handle_scope scope;
    napi_open_handle_scope(owner->env, &scope);
    napi_value arguments[2] = {number(owner->env, stream), NULL};
    napi_status made = bytes ? napi_create_buffer_copy(owner->env, length, bytes, NULL, &arguments[1])
                             : napi_get_null(owner->env, &arguments[1]);
    if (made == napi_ok)
        call(owner, DATA, 2, arguments);
    napi_close_handle_scope(owner->env, scope);
}

static void told_room(void *data, int64_t stream)
{
    struct owner *owner = data;
    napi_handle_scope scope;
    napi_open_handle_scope(owner->env, &scope);
    napi_value argument = number(owner->env, stream);
    call(owner, ROOM, 1, &argument);
    napi_close_handle_scope(owner->env, scope);
}

static void told(struct owner *owner, int which)
{
    napi_handle_scope scope;
    napi_open_handle_scope(owner->env, &scope);
    call(owner, which, 0, NULL);
    napi_close_handle_scope(owner->env, scope);
}

static void told_writable(void *data)
{
    told(data, WRITABLE);
}

static void told_closed(void *data)
{
    told(data, CLOSED);
}

static const struct reactor_events EVENTS = {told_message, told_data, told_room, told_writable, told_closed};

static void handle_closed(uv_handle_t *handle)
{
    struct reactor *reactor = handle->data;
    struct owner *owner = reactor->owner;
    owner->handle_closed = true;
    napi_remove_async_cleanup_hook(owner->cleanup);
    free_if_done(owner);
}

static void close_owner(struct owner *owner)
{
    if (owner->closing)
        return;
    owner->closing = true;
    close_reactor(&owner->reactor, handle_closed);
    if (owner->in_teardown)
        return;
    for (int i = 0; i < CALLBACKS; i++)
        napi_delete_reference(owner->env, owner->callbacks[i]);
    napi_delete_reference(owner->env, owner->self);
    napi_async_destroy(owner->env, owner->context);
}

/* The thread ends: its spawner sees the channel close and ends what it runs. */
static void tear_down(napi_async_cleanup_hook_handle handle, void *data)
{
    struct owner *owner = data;
    (void)handle;
    owner->in_teardown = true;
    close_owner(owner);
}

static void finalize(napi_env env, void *data, void *hint)
{
    struct owner *owner = data;
    (void)env;
    (void)hint;
    owner->finalized = true;
    owner->in_teardown = true; /* no calls into the environment from a finalizer */
    close_owner(owner);
    free_if_done(owner);
}

/* The owner of a method call and its arguments, of which there are at least so many, and the rest are undefined; NULL
 * after close. */
static struct owner *receive(napi_env env, napi_callback_info info, size_t least, size_t most, napi_value *arguments)
{
    napi_value self;
    void *data = NULL;
    size_t given = most;
    if (napi_get_cb_info(env, info, &given, arguments, &self, NULL) != napi_ok || given < least ||
        napi_unwrap(env, self, &data) != napi_ok) {
        napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "the spawner channel was called in a wrong way");
        return NULL;
    }
    struct owner *owner = data;
    return owner->closing ? NULL : owner;
}

/* A list of `true`, for a pipe, and of numbers of descriptors; undefined is an empty one. */
static bool further_of(napi_env env, napi_value list, struct streams_wanted *wanted)
{
    napi_valuetype type;
    uint32_t count = 0;
    if (napi_typeof(env, list, &type) != napi_ok || type == napi_undefined)
        return type == napi_undefined;
    if (napi_get_array_length(env, list, &count) != napi_ok || count > FURTHER_LIMIT)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        napi_value item;
        bool is_pipe = false;
        int32_t fd = -1;
        if (napi_get_element(env, list, i, &item) != napi_ok)
            return false;
        if (napi_get_value_bool(env, item, &is_pipe) != napi_ok &&
            (napi_get_value_int32(env, item, &fd) != napi_ok || fd < 0))
            return false;
        if (!is_pipe && fd < 0)
            return false;
        wanted->further[i] = fd;
    }
    wanted->further_count = count;
    return true;
}

static napi_value method_send(napi_env env, napi_callback_info info)
{
    napi_value arguments[6], result;
    struct owner *owner = receive(env, info, 4, 6, arguments);
    if (!owner)
        return number(env, -EPIPE);
    uint8_t *data = NULL;
    size_t length = 0;
    struct streams_wanted wanted = {0};
    int64_t out[STREAMS_LIMIT];
    bool valid = bytes_of(env, arguments[0], &data, &length);
    for (int i = 0; i < 3; i++)
        valid = valid && napi_get_value_bool(env, arguments[i + 1], &wanted.standard[i]) == napi_ok;
    valid = valid && further_of(env, arguments[4], &wanted);
    if (napi_get_value_bool(env, arguments[5], &wanted.terminal) != napi_ok)
        wanted.terminal = false;
    if (reserve_lent(lent_of(env), 1))
        return number(env, -ENOMEM);
    int failed = valid ? reactor_send(&owner->reactor, data, length, &wanted, out) : -EINVAL;
    if (failed)
        return number(env, failed);
    if (out[0] >= 0)
        lend(lent_of(env), (int)out[0]);
    napi_create_array_with_length(env, 3 + wanted.further_count, &result);
    for (uint32_t i = 0; i < 3 + wanted.further_count; i++)
        napi_set_element(env, result, i, number(env, out[i]));
    return result;
}

static napi_value with_stream(napi_env env, napi_callback_info info, void (*act)(struct reactor *, int64_t))
{
    napi_value argument;
    int64_t stream;
    struct owner *owner = receive(env, info, 1, 1, &argument);
    if (owner && napi_get_value_int64(env, argument, &stream) == napi_ok)
        act(&owner->reactor, stream);
    return NULL;
}

static napi_value method_resume(napi_env env, napi_callback_info info)
{
    return with_stream(env, info, reactor_resume);
}

static napi_value method_pause(napi_env env, napi_callback_info info)
{
    return with_stream(env, info, reactor_pause);
}

static napi_value method_drain(napi_env env, napi_callback_info info)
{
    return with_stream(env, info, reactor_drain);
}

static napi_value method_drop(napi_env env, napi_callback_info info)
{
    return with_stream(env, info, reactor_drop);
}

static napi_value method_write(napi_env env, napi_callback_info info)
{
    napi_value arguments[2];
    int64_t stream;
    uint8_t *data;
    size_t length;
    struct owner *owner = receive(env, info, 2, 2, arguments);
    if (!owner || napi_get_value_int64(env, arguments[0], &stream) != napi_ok ||
        !bytes_of(env, arguments[1], &data, &length))
        return number(env, owner ? -EINVAL : -EPIPE);
    return number(env, reactor_write(&owner->reactor, stream, data, length));
}

static napi_value method_resize(napi_env env, napi_callback_info info)
{
    napi_value arguments[3];
    int64_t stream;
    uint32_t columns, rows;
    struct owner *owner = receive(env, info, 3, 3, arguments);
    if (owner && napi_get_value_int64(env, arguments[0], &stream) == napi_ok &&
        napi_get_value_uint32(env, arguments[1], &columns) == napi_ok &&
        napi_get_value_uint32(env, arguments[2], &rows) == napi_ok)
        reactor_resize(&owner->reactor, stream, (uint16_t)columns, (uint16_t)rows);
    return NULL;
}

static napi_value method_ref(napi_env env, napi_callback_info info)
{
    struct owner *owner = receive(env, info, 0, 0, NULL);
    if (owner)
        uv_ref(owner->reactor.handle);
    return NULL;
}

static napi_value method_unref(napi_env env, napi_callback_info info)
{
    struct owner *owner = receive(env, info, 0, 0, NULL);
    if (owner)
        uv_unref(owner->reactor.handle);
    return NULL;
}

static napi_value method_close(napi_env env, napi_callback_info info)
{
    struct owner *owner = receive(env, info, 0, 0, NULL);
    if (owner)
        close_owner(owner);
    return NULL;
}

static bool keep_callbacks(napi_env env, struct owner *owner, napi_value callbacks)
{
    static const char *const NAMES[CALLBACKS] = {"message", "data", "room", "writable", "closed"};
    for (int i = 0; i < CALLBACKS; i++) {
        napi_value function;
        napi_valuetype type;
        if (napi_get_named_property(env, callbacks, NAMES[i], &function) != napi_ok ||
            napi_typeof(env, function, &type) != napi_ok || type != napi_function ||
            napi_create_reference(env, function, 1, &owner->callbacks[i]) != napi_ok)
            return false;
    }
    return true;
}

static napi_value create_reactor(napi_env env, napi_callback_info info)
{
    napi_value arguments[2], self, name;
    size_t count = 2;
    int32_t channel;
    uv_loop_t *loop;
    struct owner *owner = calloc(1, sizeof(*owner));
    if (!owner || napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 2 ||
        napi_get_value_int32(env, arguments[0], &channel) != napi_ok || !keep_callbacks(env, owner, arguments[1]) ||
        napi_get_uv_event_loop(env, (struct uv_loop_s **)&loop) != napi_ok) {
        free(owner);
        napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "createReactor(descriptor, callbacks)");
        return NULL;
    }
    owner->env = env;
    give_up(lent_of(env), channel);
    int failed = open_reactor(&owner->reactor, loop, channel, &EVENTS, owner);
    if (failed) {
        free(owner);
        napi_throw_error(env, "ERR_SPAWNER_CHANNEL",
                         "the spawner channel cannot be watched: out of descriptors or memory");
        return NULL;
    }
    napi_property_descriptor methods[] = {
        {"send", NULL, method_send, NULL, NULL, NULL, napi_default, NULL},
        {"resume", NULL, method_resume, NULL, NULL, NULL, napi_default, NULL},
        {"pause", NULL, method_pause, NULL, NULL, NULL, napi_default, NULL},
        {"drain", NULL, method_drain, NULL, NULL, NULL, napi_default, NULL},
        {"drop", NULL, method_drop, NULL, NULL, NULL, napi_default, NULL},
        {"write", NULL, method_write, NULL, NULL, NULL, napi_default, NULL},
        {"resize", NULL, method_resize, NULL, NULL, NULL, napi_default, NULL},
        {"ref", NULL, method_ref, NULL, NULL, NULL, napi_default, NULL},
        {"unref", NULL, method_unref, NULL, NULL, NULL, napi_default, NULL},
        {"close", NULL, method_close, NULL, NULL, NULL, napi_default, NULL},
    };
    napi_create_object(env, &self);
    napi_define_properties(env, self, LENGTH(methods), methods);
    napi_wrap(env, self, owner, finalize, NULL, NULL);
    napi_create_reference(env, self, 1, &owner->self); /* strong until close: an open channel is never collected */
    napi_create_string_utf8(env, "spawn-sandbox", NAPI_AUTO_LENGTH, &name);
    napi_async_init(env, self, name, &owner->context);
    napi_add_async_cleanup_hook(env, tear_down, owner, &owner->cleanup);
    return self;
}

NAPI_MODULE_INIT()
{
    struct lent *lent = calloc(1, sizeof(*lent));
    if (!lent || napi_set_instance_data(env, lent, NULL, NULL) != napi_ok ||
        napi_add_env_cleanup_hook(env, thread_ends, lent) != napi_ok) {
        free(lent);
        napi_throw_error(env, NULL, "out of memory");
        return NULL;
    }
    napi_property_descriptor create = {"createReactor", NULL, create_reactor, NULL, NULL, NULL, napi_enumerable, NULL};
    napi_define_properties(env, exports, 1, &create);
    define_descriptors(env, exports);
    return exports;
}
