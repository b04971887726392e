/* disk.c: scratch space on a disk. */
#ifndef DISK_H
#define DISK_H

#include "common/common.h"
#include "common/control.h"

/* Bytes beyond what was asked for: an ext4 says that it is full when some of them are left, and what it keeps of them
 * for a file that is being written can be as much as a large page. */
enum { DISK_SLACK = 4 << 20 };

struct disk {
    int template;     /* an empty file system, in memory */
    const char *path; /* of the directory where the files without a name lie */
    int directory;
    int devices;  /* the host's /dev */
    int control;  /* of loop devices */
    int settings; /* of what is not written yet; -1: this kernel has none */
    uint64_t bytes, inodes;
};

/* In the maker, before it has left the host's tree. */
int prepare_disk(struct disk *disk, const struct define *policy, const char *directory, bool privileged,
                 struct failure *failure);
/* In init: one more, as a detached mount. */
int new_disk(const struct disk *disk);
/* What of the host it took. */
void close_disk(struct disk *disk);

#endif
