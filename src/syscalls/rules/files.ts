import type { ArgumentIndex, SyscallRule } from '../types.js';
import { allow, refuse } from './vocabulary.js';

const O_CREAT = 0o100;
const O_TMPFILE = 0o20000000;
const SET_ID = 0o6000; // S_ISUID | S_ISGID
const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const RENAME_WHITEOUT = 4;
const PUNCH_HOLE = 3; // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE

// fcntl
const F_SETLEASE = 1024;
const F_NOTIFY = 1026;
const F_SETDELEG = 1040;
/** Requests of fcntl that our own code never makes either. */
export const FOREIGN_REQUESTS: readonly number[] = [F_SETLEASE, F_NOTIFY, F_SETDELEG];

export const PLANTED = 'a set-id file in a writable host directory would be honoured by the host';
const NO_DEVICES = 'a device node is a way around the mount tree';

/** Set-id bits in the mode of a call. */
export function setIdIn(argument: ArgumentIndex): { readonly argument: ArgumentIndex; readonly anyBits: number } {
  return { argument, anyBits: SET_ID };
}

/** Files: what exists is decided by the mount tree, so nearly everything is allowed. */
export const FILES: readonly SyscallRule[] = [
  refuse(['chmod', 'fchmod'], 'EPERM', PLANTED, [setIdIn(1)]),
  refuse(['fchmodat', 'fchmodat2'], 'EPERM', PLANTED, [setIdIn(2)]),
  refuse(['creat', 'mkdir', 'mknod'], 'EPERM', PLANTED, [setIdIn(1)]),
  refuse(['mkdirat', 'mknodat'], 'EPERM', PLANTED, [setIdIn(2)]),
  refuse('open', 'EPERM', PLANTED, [{ argument: 1, anyBits: O_CREAT | O_TMPFILE }, setIdIn(2)]),
  refuse('openat', 'EPERM', PLANTED, [{ argument: 2, anyBits: O_CREAT | O_TMPFILE }, setIdIn(3)]),
  refuse('mknod', 'EPERM', NO_DEVICES, [{ argument: 1, mask: S_IFMT, in: [S_IFCHR, S_IFBLK] }]),
  refuse('mknodat', 'EPERM', NO_DEVICES, [{ argument: 2, mask: S_IFMT, in: [S_IFCHR, S_IFBLK] }]),
  allow(['chmod', 'fchmod', 'fchmodat', 'fchmodat2'], 'permissions without set-id bits'),
  allow(['creat', 'mkdir', 'mkdirat', 'open', 'openat'], 'files without set-id bits'),
  allow(['mknod', 'mknodat'], 'fifos, sockets and regular files'),
  refuse('openat2', 'ENOSYS', 'flags and mode lie behind a pointer that BPF cannot read; callers fall back to openat'),

  allow(['read', 'readv', 'pread64', 'preadv', 'preadv2'], 'reading'),
  allow(['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2'], 'writing'),
  allow(['lseek', 'readahead', 'fadvise64'], 'moving around in a file'),
  allow(['sendfile', 'splice', 'tee', 'copy_file_range'], 'copying inside the kernel; cp, Python and Node do'),
  refuse(
    'fallocate',
    'EOPNOTSUPP',
    'takes blocks beyond the limit of file sizes (mode 1), or is as rare as that; callers do without',
    [{ argument: 1, notIn: [0, PUNCH_HOLE] }],
  ),
  allow(['truncate', 'ftruncate', 'fallocate'], 'the size of a file; bounded by limits'),
  allow(['fsync', 'fdatasync', 'sync_file_range', 'msync'], 'durability of what was written; databases'),
  refuse(['sync', 'syncfs'], 'EPERM', 'writes back whole file systems of the host'),
  refuse('fcntl', 'EACCES', 'whoever opens a leased file waits for its holder: the app, for 45 seconds', [
    { argument: 1, in: [F_SETLEASE, F_SETDELEG] },
  ]),
  refuse('fcntl', 'EINVAL', 'tells who opens what in directories that others use, too', [
    { argument: 1, equals: F_NOTIFY },
  ]),
  allow(['close', 'close_range', 'dup', 'dup2', 'dup3', 'fcntl', 'flock'], 'descriptors and locks'),

  allow(['stat', 'lstat', 'fstat', 'newfstatat', 'statx', 'statfs', 'fstatfs'], 'what a file is'),
  allow(['access', 'faccessat', 'faccessat2'], 'what may be done to a file'),
  allow(['readlink', 'readlinkat', 'getdents', 'getdents64'], 'reading links and directories'),
  allow(['getcwd', 'chdir', 'fchdir', 'umask'], 'state of the process itself'),
  refuse('renameat2', 'EINVAL', 'leaves a device node behind', [{ argument: 4, width: 32, anyBits: RENAME_WHITEOUT }]),
  allow(['rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'rmdir'], 'names in writable directories'),
  allow(['link', 'linkat', 'symlink', 'symlinkat'], 'links; the mount tree bounds where they lead'),
  allow(
    ['chown', 'fchown', 'lchown', 'fchownat'],
    'without a capability only to what one is already; tar and install call it',
  ),
  allow(['utime', 'utimes', 'futimesat', 'utimensat'], 'times of own files; make, tar and git need them'),
  allow(
    ['getxattr', 'lgetxattr', 'fgetxattr', 'listxattr', 'llistxattr', 'flistxattr'],
    'attributes; ls and cp read them',
  ),
  refuse(
    ['setxattr', 'lsetxattr', 'fsetxattr'],
    'EOPNOTSUPP',
    'memory of the kernel that no limit counts where there is no cgroup, and left for who gets the file next; programs know file systems without attributes',
  ),
  allow(['removexattr', 'lremovexattr', 'fremovexattr'], 'takes only away'),
  refuse(
    ['setxattrat', 'getxattrat', 'listxattrat', 'removexattrat', 'file_getattr', 'file_setattr', 'cachestat'],
    'ENOSYS',
    'newer than what programs rely on',
  ),

  allow(
    ['inotify_init', 'inotify_init1', 'inotify_add_watch', 'inotify_rm_watch'],
    'file watching; counted per sandbox',
  ),
];
