/* Packets with descriptors over SOCK_SEQPACKET sockets. */
#ifndef PACKET_H
#define PACKET_H

#include <sys/types.h>
#include <sys/uio.h>

#include "common/common.h"

/* A message in a memfd, stdin, stdout, stderr, FURTHER_LIMIT and a zygote's end of its conversation fit. */
enum { PACKET_DESCRIPTORS = 40 };

struct packet {
    size_t length;
    int descriptors[PACKET_DESCRIPTORS];
    size_t descriptor_count;
    bool truncated;   /* bytes or descriptors were lost: no room for them here */
    uid_t sender_uid; /* with `sender` */
    pid_t sender;     /* as this process's pid namespace sees it; 0 when the socket does not tell (SO_PASSCRED) */
};

/* Returns 1 for a packet, 0 at the end, -1 on error (EAGAIN: nothing there). Descriptors arrive close-on-exec. */
int receive_packet(int socket, void *data, size_t size, struct packet *packet, int flags);

/* What a packet of one byte brings, without waiting; *descriptor is -1 when it is not exactly one. As receive_packet().
 */
int receive_one(int socket, uint8_t *byte, int *descriptor);

/* Closes the descriptors of the packet that nobody took (those not set to -1). */
void close_packet(struct packet *packet);

int send_packet(int socket, const struct iovec *parts, size_t part_count, const int *descriptors,
                size_t descriptor_count, int flags);

/* What is sent to this end must be bytes only: the last to close a foreign descriptor may have to wait, as with a
 * socket that lingers. Since Linux 6.16; before, the end is as it was. */
void refuse_descriptors(int socket);

/* SOCK_SEQPACKET, close-on-exec. */
int packet_pair(int pair[2]);

#endif
