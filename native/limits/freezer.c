/* Standing still, by cgroup v2 alone: what v1 has frozen cannot be killed before it goes on. On a hybrid host v2 is
 * there without controllers, which freezing needs none of. Runs in the spawner. */
#include "limits/cgroup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

enum { NAME_SIZE = 32 };

static void name_of(uint64_t number, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "still-%" PRIu64, number);
}

int make_freezer(const struct cgroups *all, uint64_t number)
{
    char name[NAME_SIZE];
    name_of(number, name);
    if (all->freezer < 0 || mkdirat(all->freezer, name, 0755))
        return -1;
    int freezer = openat(all->freezer, name, O_DIRECTORY | O_CLOEXEC);
    if (freezer < 0 || set_frozen(freezer, true))
        remove_freezer(all, number, &freezer);
    return freezer;
}

void remove_freezer(const struct cgroups *all, uint64_t number, int *freezer)
{
    char name[NAME_SIZE];
    name_of(number, name);
    close_descriptor(freezer);
    unlinkat(all->freezer, name, AT_REMOVEDIR);
}

int set_frozen(int directory, bool frozen)
{
    return write_file_at(directory, "cgroup.freeze", frozen ? "1" : "0");
}

bool is_frozen(int directory)
{
    char text[256];
    return read_file_at(directory, "cgroup.events", text, sizeof(text)) > 0 && strstr(text, "frozen 1") != NULL;
}
