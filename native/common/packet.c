/* sendmsg and recvmsg with their ancillary data. Used by every process of the native core and by the addon.
 * What arrives is counted before it is believed. */
#include "common/packet.h"

#include <sys/socket.h>

union control {
    char space[CMSG_SPACE(sizeof(int) * PACKET_DESCRIPTORS) + CMSG_SPACE(sizeof(struct ucred))];
    struct cmsghdr align;
};

static void take_descriptors(struct packet *packet, const struct cmsghdr *header)
{
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
        if (packet->descriptor_count < PACKET_DESCRIPTORS)
            packet->descriptors[packet->descriptor_count++] = fd;
        else
            close(fd);
    }
}

int receive_packet(int socket, void *data, size_t size, struct packet *packet, int flags)
{
    union control control;
    struct iovec part = {data, size};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof(control.space)};
    *packet = (struct packet){0};
    ssize_t received;
    /* An end that closed without reading everything leaves ECONNRESET, once, before what it had sent: its reason,
     * perhaps. */
    do {
        received = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    } while (received < 0 && (errno == EINTR || errno == ECONNRESET));
    if (received < 0)
        return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET)
            continue;
        if (header->cmsg_type == SCM_RIGHTS)
            take_descriptors(packet, header);
        if (header->cmsg_type == SCM_CREDENTIALS) {
            struct ucred sender;
            memcpy(&sender, CMSG_DATA(header), sizeof(sender));
            packet->sender = sender.pid;
            packet->sender_uid = sender.uid;
        }
    }
    packet->length = (size_t)received;
    packet->truncated = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    return received == 0 && packet->descriptor_count == 0 ? 0 : 1;
}

void close_packet(struct packet *packet)
{
    for (size_t i = 0; i < packet->descriptor_count; i++)
        close_descriptor(&packet->descriptors[i]);
    packet->descriptor_count = 0;
}

int receive_one(int socket, uint8_t *byte, int *descriptor)
{
    struct packet packet;
    int got = receive_packet(socket, byte, sizeof(*byte), &packet, MSG_DONTWAIT);
    *descriptor = got > 0 && packet.descriptor_count == 1 ? take_descriptor(&packet.descriptors[0]) : -1;
    close_packet(&packet);
    return got;
}

int send_packet(int socket, const struct iovec *parts, size_t part_count, const int *descriptors,
                size_t descriptor_count, int flags)
{
    union control control = {.space = {0}};
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = part_count};
    if (descriptor_count > 0) {
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptor_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * descriptor_count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * descriptor_count);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

void refuse_descriptors(int socket)
{
    int no = 0;
    setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
}

int packet_pair(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}
