/* The lines of /proc/self/maps. */
#ifndef MAPPINGS_H
#define MAPPINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct mapping {
    uintptr_t start, end;
    char access[5]; /* rwxp, rwxs */
    bool named;     /* of a file */
};

/* Whether the line is that of a mapping. */
bool read_mapping(const char *line, struct mapping *out);

/* The next one, but for what the kernel maps by itself. */
bool next_mapping(FILE *maps, struct mapping *out);

#endif
