/* What a forked Node needs of Node, V8 and libuv, found by name in the running program. Most of it is no public
 * interface: a build that lacks a name is told apart here, and one where a name has come to mean something else by the
 * check that every zygote makes before it is warm. */
#ifndef NODE_INTERNALS_H
#define NODE_INTERNALS_H

#include <node_api.h>

/* Null, else the first name that this build has not. To be called with the environment entered, as all of these. */
const char *find_node(void);

/* The end of the process by process.exit() and by an uncaught error is `leave`. */
void exit_through(void (*leave)(int code));

/* Before a fork: V8's threads finish what they do, and memory that V8 withholds from forked processes is not withheld.
 */
void quiesce_node(void);

/* In what was forked: event loop and randomness anew, then V8's threads. Null, else what failed. In between little may
 * run: V8 gives work to threads that are not there. */
const char *revive_node(napi_env env);
const char *revive_threads(napi_env env);

#endif
