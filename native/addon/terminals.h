/* Masters of the steps' terminals. */
#ifndef TERMINALS_H
#define TERMINALS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* From the parked step, by our end of a socket: 1; 0 when none will come; -1 when none has come yet. */
int receive_terminal(int socket, int *master);
/* As read(), but collects what there is. */
ssize_t read_terminal(int master, uint8_t *data, size_t most);
void resize_terminal(int master, uint16_t columns, uint16_t rows);

#endif
