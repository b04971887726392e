/* disk.c: scratch space on a disk. */
#ifndef DISK_H
#define DISK_H

#include "common/common.h"
#include "common/control.h"

/* Bytes beyond what was asked for: an ext4 says that it is full when some of them are left, and what it keeps of them
 * for a file that is being written can be as much as a large page. */
enum { DISK_SLACK = 4 << 20 };

struct disk {
    const char *path; /* of the directory where the files without a name lie */
    int directory;
    int empty;    /* a file system, in memory */
    int devices;  /* the host's /dev */
    int control;  /* of loop devices */
    int settings; /* of what is not written yet; -1: this kernel has none */
    int disposer; /* who holds it in the end */
    uint64_t bytes, inodes;
    uint64_t own_blocks; /* of what we make in it */
    uint64_t sandbox;    /* that it is made for */
};

/* In the maker, before it has left the host's tree. */
int prepare_disk(struct disk *disk, const struct define *policy, const char *directory, bool privileged,
                 struct failure *failure);
/* In init: one more, as a detached mount. */
int new_disk(const struct disk *disk, struct failure *failure);
/* What of the host it took. */
void close_disk(struct disk *disk);

/* disposer.c */
int start_disposer(struct disk *disk);
/* By init: the mount, until it has ended. */
int have_held(const struct disk *disk, unsigned device, int mount);
/* By the maker: when whoever `life`, a pidfd, is has ended; -1: at once. */
void have_given_up(const struct disk *disk, int life);

#endif
