/* What JavaScript does with descriptors that it has as numbers. */
#ifndef ADDON_DESCRIPTORS_H
#define ADDON_DESCRIPTORS_H

#include <node_api.h>

/* The functions of src/spawner/native.ts but for the reactor's. */
void define_descriptors(napi_env env, napi_value exports);

#endif
