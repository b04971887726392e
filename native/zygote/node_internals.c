/* See node_internals.h. Runs in the zygote and in its steps, with the trust of what was preloaded. C++ is called by the
 * names and the conventions of the Itanium ABI: a class that is but a pointer is passed as one. */
#include "zygote/node_internals.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "zygote/mappings.h"

struct uv_loop_s;

/* std::function of libstdc++ without a state of its own. */
struct exit_function {
    void *state[2];
    bool (*manage)(void *to, const void *from, int operation);
    void (*invoke)(const void *state, void **environment, int *code);
};

static struct {
    void *(*current_isolate)(void);
    void *(*current_context)(void *isolate);
    void *(*environment_of)(void *context);
    void *(*platform_of)(void *environment);
    void (*drain_tasks)(void *platform, void *isolate);
    void (*construct_workers)(void *workers, int count, int log_level);
    char *workers_table;
    void *(*random_of)(void *isolate);
    void (*seed)(void *random, long seed);
    void (*reset_random)(uintptr_t context);
    void (*set_exit_handler)(void *environment, struct exit_function *handler);
    int (*loop_fork)(struct uv_loop_s *loop);
    void (*update_time)(struct uv_loop_s *loop);
} node;

static void (*leave_process)(int code);

/* One of several names is enough: versions of Node differ in what a function takes, not in what we give it. */
static const struct {
    void *out;
    const char *names[2];
} NAMES[] = {
    {&node.current_isolate, {"_ZN2v87Isolate10GetCurrentEv"}},
    {&node.current_context, {"_ZN2v87Isolate17GetCurrentContextEv"}},
    {&node.environment_of, {"_ZN4node21GetCurrentEnvironmentEN2v85LocalINS0_7ContextEEE"}},
    {&node.platform_of, {"_ZN4node23GetMultiIsolatePlatformEPNS_11EnvironmentE"}},
    {&node.drain_tasks, {"_ZN4node12NodePlatform10DrainTasksEPN2v87IsolateE"}},
    {&node.construct_workers,
     {"_ZN4node23WorkerThreadsTaskRunnerC1Ei", "_ZN4node23WorkerThreadsTaskRunnerC1EiNS_21PlatformDebugLogLevelE"}},
    {&node.workers_table,
     {"_ZTVSt23_Sp_counted_ptr_inplaceIN4node23WorkerThreadsTaskRunnerESaIS1_ELN9__gnu_cxx12_Lock_policyE2EE",
      "_ZTVSt23_Sp_counted_ptr_inplaceIN4node23WorkerThreadsTaskRunnerESaIvELN9__gnu_cxx12_Lock_policyE2EE"}},
    {&node.random_of, {"_ZN2v88internal7Isolate23random_number_generatorEv"}},
    {&node.seed, {"_ZN2v84base21RandomNumberGenerator7SetSeedEl"}},
    {&node.reset_random,
     {"_ZN2v88internal10MathRandom12ResetContextENS0_7ContextE",
      "_ZN2v88internal10MathRandom12ResetContextENS0_6TaggedINS0_7ContextEEE"}},
    {&node.set_exit_handler, {"_ZN4node21SetProcessExitHandlerEPNS_11EnvironmentEOSt8functionIFvS1_iEE"}},
    {&node.loop_fork, {"uv_loop_fork"}},
    {&node.update_time, {"uv_update_time"}},
};

static void *environment(void)
{
    return node.environment_of(node.current_context(node.current_isolate()));
}

/* The object that a std::shared_ptr within the platform owns: it lies behind its count of owners, which is told by its
 * table of virtual functions. */
static void *find_workers(void)
{
    enum { COUNT_SIZE = 16, TABLE_HEAD = 16, MOST_WORDS = 32 };
    char **words = node.platform_of(environment());
    for (int i = 1; i < MOST_WORDS; i++) {
        char *object = words[i], *count = words[i + 1];
        if (object && object == count + COUNT_SIZE && *(char **)count == node.workers_table + TABLE_HEAD)
            return object;
    }
    return NULL;
}

const char *find_node(void)
{
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++) {
        void *found = NULL;
        for (size_t j = 0; j < 2 && NAMES[i].names[j] && !found; j++)
            found = dlsym(RTLD_DEFAULT, NAMES[i].names[j]);
        if (!found)
            return NAMES[i].names[0];
        memcpy(NAMES[i].out, &found, sizeof(found));
    }
    return find_workers() ? NULL : "known place for V8's threads";
}

static bool manage_nothing(void *to, const void *from, int operation)
{
    (void)to, (void)from, (void)operation;
    return false;
}

static void on_exit_of_node(const void *state, void **of, int *code)
{
    (void)state, (void)of;
    leave_process(*code);
}

void exit_through(void (*leave)(int code))
{
    struct exit_function handler = {.manage = manage_nothing, .invoke = on_exit_of_node};
    leave_process = leave;
    node.set_exit_handler(environment(), &handler);
}

/* V8 asks the kernel not to give its mappings to forked processes. */
static void share_memory(void)
{
    enum { MOST_MAPPINGS = 8192 };
    static struct mapping found[MOST_MAPPINGS];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    /* First all of them: a call in between may split and join mappings, and what is read is a moving view. */
    while (maps && count < MOST_MAPPINGS && next_mapping(maps, &found[count]))
        count += found[count].access[3] == 'p';
    if (maps)
        fclose(maps);
    for (size_t i = 0; i < count; i++)
        madvise((void *)found[i].start, found[i].end - found[i].start, MADV_DOFORK);
}

void quiesce_node(void)
{
    void *isolate = node.current_isolate();
    node.drain_tasks(node.platform_of(environment()), isolate);
    share_memory();
}

/* What is there of them belongs to threads of the zygote. It is neither freed nor told to end: both would wait. */
const char *revive_threads(napi_env env)
{
    enum { WORKERS = 1 };
    struct uv_loop_s *loop = NULL;
    void *workers = find_workers();
    if (!workers || napi_get_uv_event_loop(env, &loop) != napi_ok)
        return "V8's threads";
    node.construct_workers(workers, WORKERS, 0);
    node.update_time(loop); /* or timers would count from the zygote's last turn */
    return NULL;
}

static bool renew_random(void)
{
    long seed;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return false;
    void *isolate = node.current_isolate();
    node.seed(node.random_of(isolate), seed);
    node.reset_random(*(uintptr_t *)node.current_context(isolate));
    return true;
}

const char *revive_node(napi_env env)
{
    struct uv_loop_s *loop = NULL;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok || node.loop_fork(loop))
        return "the event loop";
    return renew_random() ? NULL : "randomness";
}
