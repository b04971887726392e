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

/* The next one, but for what the kernel maps by itself. */
bool next_mapping(FILE *maps, struct mapping *out);

#endif
