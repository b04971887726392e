/* Scratch space on a disk: an ext4 of the sandbox's own, in a file without a name, so that the kernel keeps the limit
 * and nothing is left behind, whoever dies. The maker has mke2fs make an empty one, once per policy, in memory; each
 * init copies what is in it, some hundred KiB, and mounts the copy. Needs the host's privileges and loop devices. */
#include "sandbox/disk.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "sandbox/mounts.h"

enum {
    BLOCK = 4096,
    INODE = 256,       /* with room for the attributes in which overlays keep their notes */
    SUPERBLOCK = 1024, /* where it lies, and of its fields: */
    RESERVED_BLOCKS = SUPERBLOCK + 8,
    FREE_BLOCKS = SUPERBLOCK + 12,
    KERNEL_RESERVE = 4096, /* blocks that ext4 keeps for itself, or a fiftieth if that is less */
    NOBODYS_ID = 65533,    /* may use what is reserved; no sandbox is given it */
    DEVICE_TRIES = 64,     /* who else looks for a free device may take the one that was found */
    DIRTY_LIMIT = 64 << 20,
};

static const char CONTROL[] = "/dev/loop-control";

/* Everything said: what this machine's mke2fs.conf would add might be what its kernel or ours cannot do. No journal:
 * nobody reads it after a crash. No checksums of the superblock: what is reserved is written into it. */
static const char FEATURES[] = "none,ext_attr,dir_index,filetype,extent,flex_bg,sparse_super,large_file,huge_file,"
                               "dir_nlink,extra_isize,uninit_bg";

/* With what the file system needs for itself. What is too much is reserved afterwards. */
static uint64_t image_bytes(const struct disk *disk)
{
    uint64_t size = disk->bytes + DISK_SLACK + disk->inodes * INODE;
    size += size / 32 + KERNEL_RESERVE * BLOCK;
    return (size + BLOCK - 1) / BLOCK * BLOCK;
}

_Noreturn static void become_mke2fs(int image, uint64_t inodes)
{
    char path[32], count[24];
    char *env[] = {(char[]){"MKE2FS_CONFIG=/dev/null"}, (char[]){"PATH=/usr/sbin:/sbin:/usr/bin:/bin"}, NULL};
    snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
    snprintf(count, sizeof(count), "%llu", (unsigned long long)inodes);
    const char *argv[] = {"mke2fs",
                          "-q",
                          "-F",
                          "-t",
                          "ext4",
                          "-b",
                          "4096",
                          "-I",
                          "256",
                          "-N",
                          count,
                          "-m",
                          "0",
                          "-O",
                          FEATURES,
                          "-E",
                          "lazy_itable_init=1,nodiscard",
                          path,
                          NULL};
    int none = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (none < 0 || dup3(none, 0, 0) < 0 || dup3(none, 1, 0) < 0 || dup3(none, 2, 0) < 0 || fcntl(image, F_SETFD, 0))
        _exit(1);
    environ = env;
    execvp("mke2fs", (char *const *)(uintptr_t)argv);
    _exit(1);
}

static int run_mke2fs(int image, uint64_t inodes)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        become_mke2fs(image, inodes);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    if (status == 0)
        return 0;
    errno = ENOPKG;
    return -1;
}

/* So that as much is free as was asked for, and the slack. */
static int reserve_the_rest(int image, uint64_t blocks, uint64_t wanted)
{
    uint32_t free_blocks, kept = blocks / 50 < KERNEL_RESERVE ? (uint32_t)(blocks / 50) : KERNEL_RESERVE;
    if (pread(image, &free_blocks, sizeof(free_blocks), FREE_BLOCKS) != sizeof(free_blocks))
        return -1;
    errno = ENOSPC;
    if (free_blocks < wanted + kept)
        return -1;
    uint32_t reserved = (uint32_t)(free_blocks - wanted - kept);
    return pwrite(image, &reserved, sizeof(reserved), RESERVED_BLOCKS) == sizeof(reserved) ? 0 : -1;
}

static int make_template(struct disk *disk)
{
    uint64_t size = image_bytes(disk), wanted = (disk->bytes + DISK_SLACK + BLOCK - 1) / BLOCK;
    disk->template = memfd_create("disk", MFD_CLOEXEC);
    if (disk->template <0 || ftruncate(disk->template, (off_t)size) || run_mke2fs(disk->template, disk->inodes))
        return -1;
    return reserve_the_rest(disk->template, size / BLOCK, wanted);
}

static bool lies_in_memory(int directory)
{
    struct statfs space;
    return !fstatfs(directory, &space) && (space.f_type == TMPFS_MAGIC || space.f_type == RAMFS_MAGIC);
}

int prepare_disk(struct disk *disk, const struct define *policy, const char *directory, bool privileged,
                 struct failure *failure)
{
    *disk = (struct disk){.path = directory,
                          .template = -1,
                          .directory = -1,
                          .devices = -1,
                          .control = -1,
                          .settings = -1,
                          .bytes = policy->scratch_bytes,
                          .inodes = policy->scratch_inodes};
    errno = EPERM;
    if (!privileged)
        return fail(failure, STAGE_SCRATCH, CONTROL);
    disk->control = open(CONTROL, O_RDWR | O_CLOEXEC);
    if (disk->control < 0)
        return fail(failure, STAGE_SCRATCH, CONTROL);
    disk->devices = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
    disk->settings = open("/sys/devices/virtual/bdi", O_PATH | O_DIRECTORY | O_CLOEXEC);
    disk->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->devices < 0 || disk->directory < 0)
        return fail(failure, STAGE_SCRATCH, disk->devices < 0 ? "/dev" : directory);
    errno = EMEDIUMTYPE;
    if (lies_in_memory(disk->directory))
        return fail(failure, STAGE_SCRATCH, directory);
    return make_template(disk) ? fail(failure, STAGE_SCRATCH, errno == ENOPKG ? "mke2fs" : directory) : 0;
}

void close_disk(struct disk *disk)
{
    close_descriptor(&disk->template);
    close_descriptor(&disk->directory);
    close_descriptor(&disk->devices);
    close_descriptor(&disk->control);
    close_descriptor(&disk->settings);
}

static int copy_range(int from, int to, off_t at, off_t end)
{
    char buffer[65536];
    while (at < end) {
        size_t most = (size_t)(end - at) < sizeof(buffer) ? (size_t)(end - at) : sizeof(buffer);
        ssize_t got = pread(from, buffer, most, at);
        if (got <= 0 || pwrite(to, buffer, (size_t)got, at) != got)
            return -1;
        at += got;
    }
    return 0;
}

/* Only what is in it: the rest stays a hole until it is written to. */
static int copy_template(const struct disk *disk, int image)
{
    off_t size = (off_t)image_bytes(disk), at = 0, end;
    if (ftruncate(image, size))
        return -1;
    while ((at = lseek(disk->template, at, SEEK_DATA)) >= 0) {
        end = lseek(disk->template, at, SEEK_HOLE);
        if (end < 0 || copy_range(disk->template, image, at, end))
            return -1;
        at = end;
    }
    return errno == ENXIO ? 0 : -1;
}

/* A host that has no room even for this one would break its word in the middle of a step. */
static int new_image(const struct disk *disk)
{
    struct statfs space;
    if (fstatfs(disk->directory, &space))
        return -1;
    errno = ENOSPC;
    if ((uint64_t)space.f_bavail * (uint64_t)space.f_bsize < disk->bytes)
        return -1;
    autoclose int image = openat(disk->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return image < 0 || copy_template(disk, image) ? -1 : take_descriptor(&image);
}

/* The device goes with its last user, which will be the mount. What is written is cached once, not twice. */
static int bind_device(const struct disk *disk, int image, unsigned *number)
{
    struct loop_config config = {
        .fd = (unsigned)image, .block_size = 512, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO}};
    for (int i = 0; i < DEVICE_TRIES; i++) {
        char name[24];
        int found = ioctl(disk->control, LOOP_CTL_GET_FREE);
        if (found < 0)
            return -1;
        *number = (unsigned)found;
        snprintf(name, sizeof(name), "loop%u", *number);
        autoclose int device = openat(disk->devices, name, O_RDWR | O_CLOEXEC);
        if (device < 0)
            return -1;
        if (!ioctl(device, LOOP_CONFIGURE, &config))
            return take_descriptor(&device);
        if (errno != EBUSY)
            return -1;
    }
    return -1;
}

/* What has not been written when a sandbox ends, is written in vain before the end. Kernels before 6.2 do not have
 * these settings, and there is no more of it than the sandbox's memory. */
static void limit_dirty(const struct disk *disk, unsigned number)
{
    char path[48], bytes[24];
    snprintf(path, sizeof(path), "7:%u/strict_limit", number);
    snprintf(bytes, sizeof(bytes), "%d", DIRTY_LIMIT);
    if (write_file_at(disk->settings, path, "1"))
        return;
    snprintf(path, sizeof(path), "7:%u/max_bytes", number);
    write_file_at(disk->settings, path, bytes);
}

/* Nothing here outlives a crash, so nothing waits for the disk. The device is named below the directory that we stand
 * in: no path of the sandbox's leads to it. */
static int mount_device(const struct disk *disk, unsigned number)
{
    char name[24], id[24];
    snprintf(name, sizeof(name), "loop%u", number);
    snprintf(id, sizeof(id), "%d", NOBODYS_ID);
    const char *const options[][2] = {
        {"source", name}, {"noinit_itable", NULL}, {"nobarrier", NULL},      {"noauto_da_alloc", NULL},
        {"resuid", id},   {"resgid", id},          {"errors", "remount-ro"}, {NULL, NULL}};
    if (fchdir(disk->devices))
        return -1;
    int mount = new_filesystem("ext4", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    int error = errno;
    if (chdir("/"))
        close_descriptor(&mount);
    else
        errno = error;
    return mount;
}

int new_disk(const struct disk *disk)
{
    unsigned number = 0;
    struct statfs space;
    autoclose int image = new_image(disk);
    if (image < 0)
        return -1;
    autoclose int device = bind_device(disk, image, &number);
    if (device < 0)
        return -1;
    limit_dirty(disk, number);
    autoclose int mount = mount_device(disk, number);
    if (mount < 0 || fstatfs(mount, &space))
        return -1;
    errno = ENOSPC; /* never less than was asked for, whatever this kernel keeps for itself */
    return (uint64_t)space.f_bavail * (uint64_t)space.f_bsize < disk->bytes + DISK_SLACK ? -1 : take_descriptor(&mount);
}
