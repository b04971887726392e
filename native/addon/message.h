/* message.c: a message to the spawner, and the pipes that are made for it. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "common/control.h"

/* stdin, stdout, stderr and what a step has besides. */
enum { STREAMS_LIMIT = 3 + FURTHER_LIMIT };

struct streams_wanted {
    bool standard[3];           /* a pipe each */
    int further[FURTHER_LIMIT]; /* a descriptor that is sent and stays the caller's; -1: a pipe */
    size_t further_count;
    bool terminal; /* in place of the first three */
};

/* 0, with our ends in `near`, -1 where there is none; or -1, and then there are no ends. */
int send_message(int channel, const uint8_t *data, size_t length, const struct streams_wanted *wanted,
                 int near[STREAMS_LIMIT]);

#endif
