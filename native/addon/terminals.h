/* Masters of the steps' terminals, and the sockets by which they come. */
#ifndef TERMINALS_H
#define TERMINALS_H

#include "addon/reactor.h"

/* The stream is the socket by which a master is going to come. */
void expect_terminal(struct reactor *reactor, int64_t id);
/* Takes it if it is there. Whether it came, or may still come; else the stream has ended. */
bool await_terminal(struct reactor *reactor, struct stream *stream, int64_t id);
/* While nobody has the other end open, only what changes is of interest: it may be opened again. */
void hang_up(struct reactor *reactor, struct stream *stream, int64_t id);
/* If the owner waits for that. */
void tell_room(struct reactor *reactor, struct stream *stream, int64_t id);
/* As read(), but collects what there is. */
ssize_t read_terminal(int master, uint8_t *data, size_t most);

/* reactor.c */
void watch_stream(struct reactor *reactor, struct stream *stream, int64_t id);
void change_descriptor(const struct reactor *reactor, struct stream *stream, int descriptor);
void end_stream(struct reactor *reactor, int64_t id);

#endif
