import type { ArgumentIndex, ArgumentWidth } from './types.js';

/**
 * How much of each argument the kernel reads: `h` 16 bits (file modes), `i` 32 bits, `l` 64 bits or a pointer.
 * A caller can put anything above these bits, and the kernel cuts it off after the filter has looked.
 * A call that is missing here needs an explicit `width` in each condition.
 */
const SIGNATURES: Readonly<Record<string, readonly string[]>> = {
  i: [
    ...['close', 'dup', 'fsync', 'fdatasync', 'syncfs', 'fchdir', 'umask', 'alarm', 'exit', 'exit_group', 'getpgid'],
    ...['getsid', 'setuid', 'setgid', 'setfsuid', 'setfsgid', 'personality', 'epoll_create', 'epoll_create1'],
    ...['inotify_init1', 'eventfd', 'mlockall', 'iopl', 'pkey_free', 'memfd_secret', 'sched_getscheduler'],
  ],
  ii: [
    ...['dup2', 'kill', 'tkill', 'listen', 'shutdown', 'eventfd2', 'setpgid', 'setreuid', 'setregid', 'getpriority'],
    ...['inotify_rm_watch', 'pidfd_open', 'setns', 'timerfd_create', 'flock', 'ioprio_get', 'msgget', 'fanotify_init'],
    ...['landlock_restrict_self'],
  ],
  iii: ['dup3', 'tgkill', 'socket', 'close_range', 'setresuid', 'setresgid', 'setpriority', 'ioprio_set', 'semget'],
  iiil: ['socketpair', 'semctl'],
  iiili: ['setsockopt'],
  iiill: ['getsockopt'],
  iilil: ['waitid'],
  iil: ['ioctl', 'fcntl', 'sched_setscheduler', 'msgctl', 'shmctl', 'seccomp', 'rt_sigqueueinfo', 'sched_setaffinity'],
  iill: ['prlimit64', 'fallocate'],
  il: ['fstat', 'fstatfs', 'setrlimit', 'getrlimit', 'getrusage', 'clock_gettime', 'clock_getres', 'arch_prctl'],
  ili: ['bind', 'connect', 'recvmsg', 'sendmsg', 'getdents', 'getdents64', 'faccessat', 'shmat', 'shmget', 'unlinkat'],
  ilh: ['mkdirat', 'fchmodat'],
  ilhi: ['fchmodat2', 'mknodat'],
  iliii: ['fchownat'],
  ilih: ['openat'],
  iliil: ['statx'],
  ilii: ['faccessat2'],
  illi: ['accept4'],
  iili: ['pidfd_send_signal'],
  ill: ['read', 'write', 'readv', 'writev', 'accept'],
  illl: ['pread64', 'pwrite64', 'rt_sigaction', 'rt_sigprocmask', 'openat2'],
  illli: ['execveat'],
  illili: ['sendto'],
  illill: ['recvfrom'],
  ih: ['fchmod'],
  li: ['access', 'memfd_create', 'umount2'],
  lh: ['chmod', 'creat', 'mkdir'],
  lhi: ['mknod'],
  lih: ['open'],
  lii: ['chown', 'lchown'],
  l: ['unshare', 'brk', 'chroot', 'chdir', 'unlink', 'rmdir'],
  ll: ['clone3', 'munmap', 'mlock', 'rename', 'link', 'symlink'],
  lll: ['mprotect', 'execve'],
  lli: ['madvise'],
  llllil: ['mmap'],
  // The flags of clone are declared unsigned long, and the kernel takes their lower half only.
  illll: ['clone', 'prctl'],
};

const BITS: Readonly<Record<string, ArgumentWidth>> = { h: 16, i: 32, l: 64 };

const WIDTHS = new Map<string, readonly ArgumentWidth[]>(
  Object.entries(SIGNATURES).flatMap(([signature, names]) => {
    const widths = Array.from(signature, (letter) => BITS[letter] ?? 64);
    return names.map((name): [string, readonly ArgumentWidth[]] => [name, widths]);
  }),
);

/** How many bits of an argument the kernel reads, or undefined where that is not known here. */
export function widthOf(name: string, argument: ArgumentIndex): ArgumentWidth | undefined {
  return WIDTHS.get(name)?.[argument];
}
