/* See values.h. Runs in the app. */
#define NAPI_VERSION 8
#include "addon/values.h"

struct lent *lent_of(napi_env env)
{
    void *data = NULL;
    napi_get_instance_data(env, &data);
    return data;
}

napi_value number(napi_env env, int64_t value)
{
    napi_value result = NULL;
    napi_create_int64(env, value, &result);
    return result;
}

bool bytes_of(napi_env env, napi_value value, uint8_t **data, size_t *length)
{
    napi_typedarray_type type;
    void *at = NULL;
    if (napi_get_typedarray_info(env, value, &type, length, &at, NULL, NULL) != napi_ok || type != napi_uint8_array)
        return false;
    *data = at;
    return true;
}
