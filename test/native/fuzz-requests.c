/* Fuzzes what the spawner, the maker and the parked step read of the app's messages: one input is one message.
 * Besides the sanitizers' checks it holds the readers to their own promises. */
#include <stdint.h>
#include <stdlib.h>

#include "common/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void require_inside(struct bytes inner, struct bytes outer)
{
    if (inner.length > 0)
        require(inner.data >= outer.data && inner.data + inner.length <= outer.data + outer.length);
}

static void check_start(struct bytes body)
{
    struct start start;
    if (read_start(body, &start))
        return;
    require(start.step_id != 0 && start.file.length > 0 && start.argv_count > 0);
    require(start.further_count <= FURTHER_LIMIT);
    for (size_t i = 0; i < start.further_count; i++)
        require(start.further[i] <= FURTHER_TREE_SOCKET);
    require(start.builtin <= BUILTIN_FILES);
    require_inside(start.file, body);
    require_inside(start.cwd, body);
    require(!memchr(start.file.data, 0, start.file.length));
    char **lists = calloc(start.argv_count + start.env_count + 2, sizeof(char *));
    char *text = malloc(body.length + 1); /* exactly the room that the parked step gives */
    require(lists && text);
    char **env = lists + start.argv_count + 1;
    read_arguments(body, lists, env, text);
    require(lists[start.argv_count] == NULL && env[start.env_count] == NULL);
    for (size_t i = 0; i < start.argv_count; i++)
        require(lists[i] >= text && lists[i] + strlen(lists[i]) <= text + body.length);
    free(lists);
    free(text);
}

static void check_define(struct bytes body)
{
    static struct define define;
    if (read_define(body, &define))
        return;
    require(define.mount_count <= MOUNT_LIMIT && define.cover_count <= COVER_LIMIT);
    require(define.base_filter.length > 0 && define.step_filter.length % 8 == 0);
    for (size_t i = 0; i < define.mount_count; i++) {
        require(define.mounts[i].mode <= 01777 && define.mounts[i].target.data[0] == '/');
        require(define.mounts[i].source.length <= PATH_LIMIT && define.mounts[i].target.length <= PATH_LIMIT);
        require_inside(define.mounts[i].content, body);
    }
    require(define.rule_count <= RULE_LIMIT);
    for (size_t i = 0; i < define.rule_count; i++) {
        require_inside(define.rules[i].pattern, body);
        require(define.rules[i].pattern.length <= PATH_LIMIT && define.rules[i].pattern.data[0] == '/');
        require(define.rules[i].literal <= define.rules[i].pattern.length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes body;
    struct configure configure;
    struct kill_request kill;
    struct session_request session;
    uint32_t id;
    /* Each reader sees every input, also the ones that are not addressed to it: so the fuzzer needs no luck with the
     * outer message. */
    struct bytes whole = {data, size};
    if (read_request(whole, &body) != REQUEST_NONE) {
        require_inside(body, whole);
        check_start(body);
        check_define(body);
    }
    check_start(whole);
    check_define(whole);
    read_configure(whole, &configure);
    read_kill(whole, &kill);
    read_id(whole, &id);
    read_session_request(whole, &session);
    return 0;
}
