/* System calls as the catalogue says them: by number, with the arguments that are given, in whichever ABI. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "selftest/prober.h"

enum { BUFFER = 4096, ARGUMENTS = 6 };

/* Below 4 GiB in a program that is linked statically, so that a call of 32 bits can name it. */
static uint64_t buffers[ARGUMENTS][BUFFER / sizeof(uint64_t)];

static long pointer_to_words(const char *list, uint64_t *out, bool narrow)
{
    char *end;
    for (size_t i = 0; i < BUFFER / sizeof(uint64_t); i++) {
        uint64_t word = strtoull(list, &end, 0);
        if (narrow)
            ((uint32_t *)out)[i] = (uint32_t)word;
        else
            out[i] = word;
        if (*end != ',')
            break;
        list = end + 1;
    }
    return (long)out;
}

/* A number; or s:TEXT, w:WORDS, i:HALF-WORDS, z: for a pointer to such; bad for one that leads nowhere; fd:PATH, own,
 * pid, ppid. */
static long argument(const char *text, uint64_t *buffer)
{
    if (!strncmp(text, "s:", 2))
        return (long)strncpy((char *)buffer, text + 2, BUFFER - 1);
    if (!strncmp(text, "w:", 2) || !strncmp(text, "i:", 2))
        return pointer_to_words(text + 2, buffer, text[0] == 'i');
    if (!strncmp(text, "fd:", 3))
        return open(text + 3, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (!strcmp(text, "z:"))
        return (long)buffer;
    if (!strcmp(text, "bad"))
        return 8;
    if (!strcmp(text, "own"))
        return own_file();
    if (!strcmp(text, "pid"))
        return getpid();
    if (!strcmp(text, "ppid"))
        return getppid();
    return (long)strtoull(text, NULL, 0);
}

static long call_native(long number, const long *a)
{
    return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#if defined(__x86_64__)
static long call_x32(long number, const long *a)
{
    return call_native(number | 0x40000000, a);
}

static long call_i386(long number, const long *a)
{
    long answer;
    __asm__ volatile("int $0x80"
                     : "=a"(answer)
                     : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
                     : "r8", "r9", "r10", "r11", "memory");
    if ((int)answer < 0 && (int)answer > -4096) {
        errno = -(int)answer;
        return -1;
    }
    return (int)answer;
}
#endif

static int make_call(char **words, long (*make)(long, const long *))
{
    long arguments[ARGUMENTS] = {0};
    for (size_t i = 0; i < ARGUMENTS && words[0] && words[i + 1]; i++)
        arguments[i] = argument(words[i + 1], buffers[i]);
    errno = 0;
    return words[0] ? done(make(strtol(words[0], NULL, 0), arguments)) : -1;
}

static int native(char **words)
{
    return make_call(words, call_native);
}

#if defined(__x86_64__)
static int x32(char **words)
{
    return make_call(words, call_x32);
}

static int i386(char **words)
{
    return make_call(words, call_i386);
}
#endif

const struct named CALLS[] = {
    {"call", native},
#if defined(__x86_64__)
    {"x32", x32},
    {"i386", i386},
#endif
    {NULL, NULL},
};
