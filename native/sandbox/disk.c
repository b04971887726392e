/* Scratch space on a disk: an ext4 of the sandbox's own, in a file without a name, so that the kernel keeps the limit
 * and nothing is left behind, whoever dies. All its room is reserved first: ext4 tells a writer that all is well before
 * it finds that the disk below is full. The maker has mke2fs make an empty one, once per policy, in memory; each
 * init copies what is in it, some hundred KiB, and mounts the copy. Needs the host's privileges and loop devices. */
#include "sandbox/disk.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "sandbox/internal.h"
#include "sandbox/mounts.h"

enum {
    BLOCK = 4096,
    INODE = 256,       /* with room for the attributes in which overlays keep their notes */
    SUPERBLOCK = 1024, /* where it lies, and of its fields: */
    RESERVED_BLOCKS = SUPERBLOCK + 8,
    FREE_BLOCKS = SUPERBLOCK + 12,
    KERNEL_RESERVE = 4096, /* blocks that ext4 keeps for itself, or a fiftieth if that is less */
    TAIL = 1 << 20,        /* at the end, and no part of the file system: there are signatures that some look for */
    DIRECTORY_BLOCKS = 4,  /* of what a directory of ours takes, at most */
    OVERLAY_BLOCKS = 8,    /* with what the kernel keeps for it */
    DEVICE_TRIES = 64,     /* who else looks for a free device may take the one that was found */
    DIRTY_LIMIT = 64 << 20,
};

static const char CONTROL[] = "/dev/loop-control";

/* Everything said: what this machine's mke2fs.conf would add might be what its kernel or ours cannot do. No journal:
 * nobody reads it after a crash. No checksums of the superblock: what is reserved is written into it. */
static const char FEATURES[] = "none,ext_attr,dir_index,filetype,extent,flex_bg,sparse_super,large_file,huge_file,"
                               "dir_nlink,extra_isize,uninit_bg";

/* That a step shall find free. */
static uint64_t wanted_blocks(const struct disk *disk)
{
    return (disk->bytes + DISK_SLACK + BLOCK - 1) / BLOCK + disk->own_blocks;
}

static uint64_t kept_by_kernel(uint64_t blocks)
{
    return blocks / 50 < KERNEL_RESERVE ? blocks / 50 : KERNEL_RESERVE;
}

/* Of the file system, with what it needs for itself. What is too much is reserved afterwards. */
static uint64_t blocks_of(const struct disk *disk)
{
    uint64_t blocks = wanted_blocks(disk) + disk->inodes * INODE / BLOCK;
    blocks += blocks / 128 + 512;
    return blocks + kept_by_kernel(blocks + blocks / 40);
}

static uint64_t image_bytes(const struct disk *disk)
{
    return blocks_of(disk) * BLOCK + TAIL;
}

/* It has nothing else of ours open, and ends with us, or when it takes too long. */
_Noreturn static void become_mke2fs(const struct disk *disk)
{
    enum { IMAGE = 3, LONGEST_S = 60 };
    char inodes[24], blocks[24];
    char *env[] = {(char[]){"MKE2FS_CONFIG=/dev/null"}, (char[]){"PATH=/usr/sbin:/sbin:/usr/bin:/bin"}, NULL};
    snprintf(inodes, sizeof(inodes), "%llu", (unsigned long long)disk->inodes);
    snprintf(blocks, sizeof(blocks), "%llu", (unsigned long long)blocks_of(disk));
    const char *const size[] = {"-b", "4096", "-I", "256", "-N", inodes, "-m", "0"};
    const char *argv[24] = {"mke2fs", "-q", "-F", "-t", "ext4", "-O", FEATURES, "-E", "lazy_itable_init=1,nodiscard"};
    size_t count = 9;
    for (size_t i = 0; i < LENGTH(size); i++)
        argv[count++] = size[i];
    argv[count++] = "/proc/self/fd/3";
    argv[count] = blocks;
    int none = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (none < 0 || dup3(none, 0, 0) < 0 || dup3(none, 1, 0) < 0 || dup3(none, 2, 0) < 0 ||
        dup3(disk->empty, IMAGE, 0) < 0 || close_range(IMAGE + 1, ~0u, CLOSE_RANGE_CLOEXEC) ||
        prctl(PR_SET_PDEATHSIG, SIGKILL))
        _exit(1);
    alarm(LONGEST_S);
    environ = env;
    execvp("mke2fs", (char *const *)(uintptr_t)argv);
    _exit(1);
}

static int run_mke2fs(const struct disk *disk)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        become_mke2fs(disk);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    if (status == 0)
        return 0;
    errno = ENOPKG;
    return -1;
}

/* So that as much is free as is wanted, and no more. */
static int reserve_the_rest(const struct disk *disk)
{
    uint32_t free_blocks;
    if (pread(disk->empty, &free_blocks, sizeof(free_blocks), FREE_BLOCKS) != sizeof(free_blocks))
        return -1;
    uint64_t needed = wanted_blocks(disk) + kept_by_kernel(blocks_of(disk));
    errno = ENOSPC;
    if (free_blocks < needed)
        return -1;
    uint32_t reserved = (uint32_t)(free_blocks - needed);
    return pwrite(disk->empty, &reserved, sizeof(reserved), RESERVED_BLOCKS) == sizeof(reserved) ? 0 : -1;
}

static int make_template(struct disk *disk)
{
    disk->empty = memfd_create("disk", MFD_CLOEXEC);
    if (disk->empty < 0 || ftruncate(disk->empty, (off_t)image_bytes(disk)) || run_mke2fs(disk))
        return -1;
    return reserve_the_rest(disk);
}

static bool lies_in_memory(int directory)
{
    struct statfs space;
    return !fstatfs(directory, &space) && (space.f_type == TMPFS_MAGIC || space.f_type == RAMFS_MAGIC);
}

static uint64_t count_own_blocks(const struct define *policy)
{
    uint64_t blocks = 0;
    for (size_t i = 0; i < policy->mount_count; i++) {
        if (policy->mounts[i].kind == MOUNT_SCRATCH)
            blocks += DIRECTORY_BLOCKS;
        else if (is_overlay(&policy->mounts[i]))
            blocks += OVERLAY_BLOCKS;
    }
    return blocks;
}

static int open_host(struct disk *disk, struct failure *failure)
{
    disk->control = open(CONTROL, O_RDWR | O_CLOEXEC);
    if (disk->control < 0)
        return fail(failure, STAGE_SCRATCH, CONTROL);
    disk->devices = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (disk->devices < 0)
        return fail(failure, STAGE_SCRATCH, "/dev");
    disk->settings = open("/sys/devices/virtual/bdi", O_PATH | O_DIRECTORY | O_CLOEXEC);
    disk->directory = open(disk->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->directory < 0)
        return fail(failure, STAGE_SCRATCH, disk->path);
    errno = EMEDIUMTYPE;
    return lies_in_memory(disk->directory) ? fail(failure, STAGE_SCRATCH, disk->path) : 0;
}

int prepare_disk(struct disk *disk, const struct define *policy, const char *directory, bool privileged,
                 struct failure *failure)
{
    *disk = (struct disk){.path = directory,
                          .empty = -1,
                          .directory = -1,
                          .devices = -1,
                          .control = -1,
                          .settings = -1,
                          .disposer = -1,
                          .bytes = policy->scratch_bytes,
                          .inodes = policy->scratch_inodes,
                          .own_blocks = count_own_blocks(policy)};
    errno = EPERM;
    if (!privileged)
        return fail(failure, STAGE_SCRATCH, CONTROL);
    if (open_host(disk, failure))
        return -1;
    signal(SIGXFSZ, SIG_IGN); /* of an app that has a limit of its own: then there is an error instead */
    int failed = make_template(disk);
    signal(SIGXFSZ, SIG_DFL);
    if (failed)
        return fail(failure, STAGE_SCRATCH, errno == ENOPKG ? "mke2fs" : directory);
    return start_disposer(disk) ? fail(failure, STAGE_RESOURCES, NULL) : 0;
}

void close_disk(struct disk *disk)
{
    close_descriptor(&disk->empty);
    close_descriptor(&disk->directory);
    close_descriptor(&disk->devices);
    close_descriptor(&disk->control);
    close_descriptor(&disk->settings);
    close_descriptor(&disk->disposer);
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

/* Only what is in it: the rest is reserved, and reads as zeros until it is written to. */
static int copy_template(const struct disk *disk, int image)
{
    off_t at = 0, end;
    if (fallocate(image, 0, 0, (off_t)image_bytes(disk)))
        return -1;
    while ((at = lseek(disk->empty, at, SEEK_DATA)) >= 0) {
        end = lseek(disk->empty, at, SEEK_HOLE);
        if (end < 0 || copy_range(disk->empty, image, at, end))
            return -1;
        at = end;
    }
    return errno == ENXIO ? 0 : -1;
}

/* What the host's administrator keeps for himself stays his. */
static int new_image(const struct disk *disk)
{
    struct statfs space;
    if (fstatfs(disk->directory, &space))
        return -1;
    errno = ENOSPC;
    if ((uint64_t)space.f_bavail * (uint64_t)space.f_bsize < image_bytes(disk))
        return -1;
    autoclose int image = openat(disk->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    int in_place = FS_NOCOW_FL; /* or Btrfs would need more room for what is written anew; others do not know it */
    if (image >= 0)
        ioctl(image, FS_IOC_SETFLAGS, &in_place);
    signal(SIGXFSZ, SIG_IGN);
    int failed = image < 0 ? -1 : copy_template(disk, image);
    signal(SIGXFSZ, SIG_DFL); /* a step is to be ended by it */
    return failed ? -1 : take_descriptor(&image);
}

/* Else what is written would be cached below, too, where no limit of the sandbox's counts it. */
static int check_direct(int device)
{
    struct loop_info64 info;
    if (ioctl(device, LOOP_GET_STATUS64, &info))
        return -1;
    errno = EOPNOTSUPP;
    return info.lo_flags & LO_FLAGS_DIRECT_IO ? 0 : -1;
}

/* The device goes with its last user, which will be the mount. */
static int bind_device(const struct disk *disk, int image, unsigned *number)
{
    struct loop_config config = {
        .fd = (unsigned)image, .block_size = BLOCK, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO}};
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
            return check_direct(device) ? -1 : take_descriptor(&device);
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
    static const char NOBODY[] = "4294967294"; /* may use what is reserved; no range of ids has it */
    char name[24];
    snprintf(name, sizeof(name), "loop%u", number);
    const char *const options[][2] = {
        {"source", name},   {"noinit_itable", NULL}, {"nobarrier", NULL},      {"noauto_da_alloc", NULL},
        {"resuid", NOBODY}, {"resgid", NOBODY},      {"errors", "remount-ro"}, {NULL, NULL}};
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

static int fail_at_device(struct failure *failure, unsigned number)
{
    char path[256];
    snprintf(path, sizeof(path), "/dev/loop%u", number);
    return fail(failure, STAGE_SCRATCH, path);
}

int new_disk(const struct disk *disk, struct failure *failure)
{
    unsigned number = 0;
    struct statfs space;
    autoclose int image = new_image(disk);
    if (image < 0)
        return fail(failure, STAGE_SCRATCH, disk->path);
    autoclose int device = bind_device(disk, image, &number);
    if (device < 0)
        return errno == EOPNOTSUPP ? fail(failure, STAGE_SCRATCH, disk->path) : fail_at_device(failure, number);
    limit_dirty(disk, number);
    autoclose int mount = mount_device(disk, number);
    if (mount < 0 || fstatfs(mount, &space))
        return fail_at_device(failure, number);
    errno = ENOSPC; /* never less than was asked for, whatever this kernel keeps for itself */
    if ((uint64_t)space.f_bavail < wanted_blocks(disk))
        return fail_at_device(failure, number);
    return have_held(disk, number, mount) ? fail(failure, STAGE_RESOURCES, NULL) : take_descriptor(&mount);
}
