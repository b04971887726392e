/* See mappings.h. */
#include "zygote/mappings.h"

#include <string.h>

bool read_mapping(const char *line, struct mapping *out)
{
    unsigned long start, end;
    char access[5];
    if (sscanf(line, "%lx-%lx %4s", &start, &end, access) != 3)
        return false;
    *out = (struct mapping){.start = start, .end = end, .named = strchr(line, '/') != NULL};
    memcpy(out->access, access, sizeof(access));
    return true;
}

bool next_mapping(FILE *maps, struct mapping *out)
{
    char line[512];
    while (fgets(line, sizeof(line), maps)) {
        if (read_mapping(line, out) && !strstr(line, "[v"))
            return true;
    }
    return false;
}
