/*
 * Executes a command under a filter that refuses system calls, as container engines do.
 *
 *   refuse-calls NUMBER=ERRNO|NUMBER/MASK=ERRNO... -- COMMAND...
 *
 * With a mask a call is refused only when its first argument has one of these bits. Needs CAP_SYS_ADMIN, so that no_new_privs stays unset.
 */
#define _GNU_SOURCE
#include "filter-install.h"

#include <linux/audit.h>
#include <stddef.h>
#include <string.h>

static void append(struct filter *filter, struct sock_filter instruction)
{
    filter->code[filter->length++] = instruction;
}

static void refuse(struct filter *filter, const char *rule)
{
    unsigned number, mask = 0, answer;
    if (sscanf(rule, "%u/%x=%u", &number, &mask, &answer) != 3 && sscanf(rule, "%u=%u", &number, &answer) != 2)
        die(rule);
    struct sock_filter load_number = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    struct sock_filter load_argument = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]));
    struct sock_filter is_other = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, (unsigned char)(mask ? 3 : 1));
    struct sock_filter has_none = BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1);
    struct sock_filter answers = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer);
    append(filter, load_number);
    append(filter, is_other);
    if (mask) {
        append(filter, load_argument);
        append(filter, has_none);
    }
    append(filter, answers);
}

int main(int argc, char **argv)
{
    static struct filter filter;
    int at = 1;
    for (; at < argc && strcmp(argv[at], "--") != 0; at++)
        refuse(&filter, argv[at]);
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    append(&filter, allow);
    if (at + 1 >= argc || install_filter(&filter, 0) != 0)
        die("seccomp");
    execvp(argv[at + 1], argv + at + 1);
    die(argv[at + 1]);
}
