/* Descriptors that JavaScript holds as numbers. A thread that is terminated runs no JavaScript any more that could
 * close them: then this does. */
#ifndef LENT_H
#define LENT_H

#include <stddef.h>

struct lent {
    int *descriptors;
    size_t count, room;
};

/* Makes room for so many more; 0, or -1 when there is no memory. */
int reserve_lent(struct lent *lent, size_t more);
/* Into room that was reserved. */
void lend(struct lent *lent, int fd);
/* Whoever has it closes it. One that is not lent is passed over. */
void give_up(struct lent *lent, int fd);
void close_lent(struct lent *lent);

#endif
