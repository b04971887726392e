/* The list of what JavaScript holds. Runs in the app, on the thread whose list it is. */
#include "addon/lent.h"

#include <stdlib.h>
#include <unistd.h>

int reserve_lent(struct lent *lent, size_t more)
{
    if (lent->count + more <= lent->room)
        return 0;
    size_t room = lent->room ? lent->room * 2 : 16;
    int *descriptors = realloc(lent->descriptors, room * sizeof(*descriptors));
    if (!descriptors)
        return -1;
    lent->descriptors = descriptors;
    lent->room = room;
    return 0;
}

void lend(struct lent *lent, int fd)
{
    lent->descriptors[lent->count++] = fd;
}

void give_up(struct lent *lent, int fd)
{
    for (size_t i = lent->count; i > 0; i--) { /* the latest first: most are held for a moment only */
        if (lent->descriptors[i - 1] != fd)
            continue;
        lent->descriptors[i - 1] = lent->descriptors[--lent->count];
        return;
    }
}

void close_lent(struct lent *lent)
{
    for (size_t i = 0; i < lent->count; i++)
        close(lent->descriptors[i]);
    free(lent->descriptors);
    *lent = (struct lent){0};
}
