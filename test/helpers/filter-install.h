/* Reads a filter from a file and installs it. Used by the programs below that test filters on a real kernel. */
#ifndef FILTER_INSTALL_H
#define FILTER_INSTALL_H

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct filter {
    struct sock_filter code[4096];
    unsigned short length;
};

static void die(const char *what)
{
    perror(what);
    _exit(125);
}

static void read_filter(const char *path, struct filter *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        die(path);
    ssize_t size = read(fd, out->code, sizeof(out->code));
    if (size <= 0)
        die(path);
    out->length = (unsigned short)((size_t)size / sizeof(out->code[0]));
    close(fd);
}

/* Returns what the kernel returned: with a listener flag, its descriptor. */
static int install_filter(struct filter *filter, unsigned int flags)
{
    struct sock_fprog program = {.len = filter->length, .filter = filter->code};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void forbid_new_privileges(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        die("no_new_privs");
}

#endif
