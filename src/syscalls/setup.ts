import { DANGEROUS_REQUESTS } from './rules/terminal.js';
import type { ArgumentCondition, ArgumentIndex } from './types.js';

/** Calls that our own code makes while only `base` is installed. */
export interface OwnCalls {
  readonly names: readonly string[];
  readonly reason: string;
  /** Only such calls; others keep their verdict in `base`, which keeps `step` short. @default any */
  readonly when?: readonly ArgumentCondition[];
}

/** Our own code makes no set-id file: so these refusals can stay in `base`. */
const withoutSetId = (argument: ArgumentIndex): readonly ArgumentCondition[] => [{ argument, noBits: 0o6000 }];

/**
 * What the maker, init and a step on its way do after `base`. `base` permits it whatever the policy says, and `step`
 * gives it the policy's own verdict before code that is not ours runs.
 */
export const SETUP: readonly OwnCalls[] = [
  { names: ['clone', 'clone3', 'fork', 'vfork'], reason: 'the maker clones inits, an init forks steps' },
  { names: ['unshare', 'setns'], reason: 'namespaces of a sandbox' },
  { names: ['mount', 'umount2', 'pivot_root', 'chroot'], reason: 'the mount tree' },
  {
    names: ['open_tree', 'open_tree_attr', 'move_mount', 'mount_setattr', 'fsopen', 'fsconfig', 'fsmount', 'fspick'],
    reason: 'the mount tree, by descriptor',
  },
  { names: ['sethostname', 'keyctl'], reason: 'host name and session keyring of a sandbox' },
  { names: ['capset', 'capget', 'prctl', 'seccomp'], reason: 'capabilities, securebits and the second filter' },
  {
    names: ['setuid', 'setgid', 'setreuid', 'setregid', 'setresuid', 'setresgid', 'setgroups', 'setfsuid', 'setfsgid'],
    reason: 'the identity of a step',
  },
  {
    names: ['landlock_create_ruleset', 'landlock_add_rule', 'landlock_restrict_self'],
    reason: 'the layer after identity',
  },
  { names: ['mkdir', 'fchmod', 'chmod', 'creat'], reason: 'files of the synthetic root', when: withoutSetId(1) },
  { names: ['mkdirat', 'mknodat', 'fchmodat'], reason: 'files of the synthetic root', when: withoutSetId(2) },
  { names: ['open'], reason: 'opening files', when: withoutSetId(2) },
  { names: ['openat'], reason: 'opening files', when: withoutSetId(3) },
  { names: ['openat2'], reason: 'opening files below a directory that others can write to' },
  { names: ['symlink', 'symlinkat', 'unlink', 'unlinkat', 'rmdir', 'rename', 'renameat', 'renameat2'], reason: 'names in the root' },
  { names: ['chown', 'fchown', 'lchown', 'fchownat'], reason: 'owner of scratch and of pipes' },
  { names: ['kill', 'tgkill', 'tkill', 'pidfd_open', 'pidfd_send_signal'], reason: 'ending processes' },
  { names: ['wait4', 'waitid', 'getpid', 'getppid', 'gettid', 'setsid', 'setpgid'], reason: 'looking after processes' },
  { names: ['prlimit64', 'setrlimit', 'getrlimit', 'setpriority'], reason: 'limits of a step' },
  { names: ['socket', 'socketpair', 'bind', 'connect', 'getsockopt', 'setsockopt'], reason: 'loopback, and talking to the spawner' },
  { names: ['sendmsg', 'recvmsg', 'sendto', 'recvfrom', 'shutdown'], reason: 'talking to the spawner' },
  { names: ['ioctl'], reason: 'raising loopback', when: [{ argument: 1, notIn: DANGEROUS_REQUESTS }] },
  { names: ['poll', 'ppoll', 'epoll_create1', 'epoll_ctl', 'epoll_wait', 'epoll_pwait', 'eventfd2', 'timerfd_create', 'timerfd_settime', 'signalfd4', 'pipe2'], reason: 'waiting' },
  { names: ['execve', 'execveat'], reason: 'starting the command; the maker executes itself anew' },
  { names: ['dup', 'dup2', 'dup3', 'close', 'close_range', 'fcntl'], reason: 'placing and closing descriptors' },
  { names: ['chdir', 'fchdir', 'umask', 'getcwd'], reason: 'state of a step' },
  { names: ['stat', 'lstat', 'fstat', 'newfstatat', 'statx', 'statfs', 'fstatfs'], reason: 'looking at files' },
  { names: ['access', 'faccessat', 'faccessat2', 'readlink', 'readlinkat', 'getdents64'], reason: 'looking at files' },
  { names: ['read', 'write', 'readv', 'writev', 'pread64', 'pwrite64', 'lseek', 'ftruncate'], reason: 'reading and writing' },
  { names: ['memfd_create'], reason: 'a binary that nobody can overwrite' },
  { names: ['mmap', 'munmap', 'mprotect', 'mremap', 'brk', 'madvise'], reason: 'memory' },
  { names: ['getuid', 'getgid', 'geteuid', 'getegid', 'getgroups', 'getresuid', 'getresgid'], reason: 'looking at oneself' },
  { names: ['rt_sigaction', 'rt_sigprocmask', 'rt_sigtimedwait', 'rt_sigreturn', 'sigaltstack'], reason: 'signals' },
  { names: ['clock_gettime', 'clock_nanosleep', 'nanosleep', 'getrandom', 'uname', 'sched_yield'], reason: 'time and random numbers' },
  { names: ['set_tid_address', 'set_robust_list', 'rseq', 'arch_prctl', 'futex', 'restart_syscall'], reason: 'the C library' },
  { names: ['exit', 'exit_group'], reason: 'ending' },
];
