/* What runtimes/node/typed.cjs needs of descriptors, and Node does not have. */
#ifndef NODE_TYPED_H
#define NODE_TYPED_H

#include <node_api.h>

/* Takes a standard descriptor out of the way: its new number, close-on-exec. What stays under the old one is the second
 * argument, which is closed, or nothing to read. */
napi_value node_move_away(napi_env env, napi_callback_info info);

/* So many bytes of a descriptor's file, as an ArrayBuffer. */
napi_value node_map(napi_env env, napi_callback_info info);

#endif
