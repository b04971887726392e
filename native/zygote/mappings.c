/* See mappings.h. */
#include "zygote/mappings.h"

#include <string.h>

bool next_mapping(FILE *maps, struct mapping *out)
{
    char line[512];
    unsigned long start, end;
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %4s", &start, &end, out->access) != 3 || strstr(line, "[v"))
            continue;
        out->start = start;
        out->end = end;
        out->named = strchr(line, '/') != NULL;
        return true;
    }
    return false;
}
