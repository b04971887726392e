/* Values of JavaScript, and what belongs to its thread. */
#ifndef VALUES_H
#define VALUES_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addon/lent.h"

/* Of this thread. */
struct lent *lent_of(napi_env env);
napi_value number(napi_env env, int64_t value);
/* The memory of a Uint8Array; false for anything else. */
bool bytes_of(napi_env env, napi_value value, uint8_t **data, size_t *length);

#endif
