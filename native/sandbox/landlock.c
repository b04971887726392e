/* Landlock, by its calls. Used by a step for itself, by the warden for itself, and by the maker that prepares a ruleset
 * for a step. */
#include "sandbox/landlock.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "common/common.h"

long landlock_version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

int new_ruleset(const struct handled *handled, long version)
{
    size_t known = version >= 6   ? sizeof(*handled)
                   : version >= 4 ? offsetof(struct handled, scoped)
                                  : offsetof(struct handled, net);
    return (int)syscall(SYS_landlock_create_ruleset, handled, known, 0);
}

int allow_beneath(int ruleset, int place, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = place};
    return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* Any ruleset over files forbids to move and to link them between directories, asked for or not: git, pip and many
 * others do it. So does one that is not over files, once there is another that is. */
int allow_moves(int ruleset)
{
    autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? -1 : allow_beneath(ruleset, root, RIGHT_REFER);
}

int enter_domain(int ruleset)
{
    return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}
