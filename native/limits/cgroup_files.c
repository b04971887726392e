/* See cgroup_files.h. */
#include "limits/cgroup_files.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static size_t hierarchy(const struct cgroups *all, size_t v1)
{
    return all->version == 2 ? 0 : v1;
}

int open_in(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file, int flags)
{
    char path[96];
    int parent = all->parents[hierarchy(all, v1)];
    if (parent < 0) {
        errno = ENOENT;
        return -1;
    }
    snprintf(path, sizeof(path), "%s/%s", cgroup->name, file);
    return openat(parent, path, flags | O_CLOEXEC);
}

int set_text(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file, const char *text)
{
    autoclose int fd = open_in(all, cgroup, v1, file, O_WRONLY);
    size_t length = strlen(text);
    return fd >= 0 && write(fd, text, length) == (ssize_t)length ? 0 : -1;
}

int set_number(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    return set_text(all, cgroup, v1, file, text);
}

uint64_t number_in(const char *text, const char *name)
{
    if (!name)
        return strtoull(text, NULL, 10);
    size_t length = strlen(name);
    for (const char *line = text; *line;) {
        if (!strncmp(line, name, length) && line[length] == ' ')
            return strtoull(line + length, NULL, 10);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return 0;
}

uint64_t read_number(int fd, const char *name)
{
    char text[512];
    return fd < 0 || read_record(fd, text, sizeof(text)) < 0 ? 0 : number_in(text, name);
}

uint64_t read_number_of(const struct cgroups *all, const struct cgroup *cgroup, size_t v1, const char *file)
{
    autoclose int fd = open_in(all, cgroup, v1, file, O_RDONLY);
    return read_number(fd, NULL);
}
