import { FOREIGN_REQUESTS } from './rules/files.js';
import { MADV_MERGEABLE, MAP_HUGETLB, MFD_HUGETLB } from './rules/memory.js';
import { SOCKET_PROGRAMS } from './rules/network.js';
import { DANGEROUS_REQUESTS } from './rules/terminal.js';
import type { ArgumentCondition, ArgumentIndex } from './types.js';

/** Calls that our own code makes while only `base` is installed. */
export interface OwnCalls {
  readonly names: readonly string[];
  readonly reason: string;
  /** Only such calls; others keep their verdict in `base`, which keeps `step` short. Rows about one call add up. @default any */
  readonly when?: readonly ArgumentCondition[];
}

const AF_UNIX = 1;
const AF_INET = 2;
const AF_NETLINK = 16;
const SOL_SOCKET = 1;
const ANY_DATAGRAM: ArgumentCondition = { argument: 1, mask: 0xf, equals: 2 };
const ANY_PROTOCOL: ArgumentCondition = { argument: 2, equals: 0 }; // for netlink: routing

const OWN_OPTIONS = [
  ...[1, 2, 3, 4, 7, 8, 15, 16], // death signal, dumpable, keep capabilities, name
  ...[21, 22], // filters
  ...[23, 24, 27, 28, 47], // bounding set, securebits, ambient capabilities
  ...[36, 37, 38, 39], // subreaper, no_new_privs
  ...[52, 53, 62], // speculation, core scheduling
];

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
  { names: ['capset', 'capget', 'seccomp'], reason: 'capabilities and the second filter' },
  { names: ['prctl'], reason: 'bounding set, securebits, death signal', when: [{ argument: 0, in: OWN_OPTIONS }] },
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
  {
    names: ['symlink', 'symlinkat', 'unlink', 'unlinkat', 'rmdir', 'rename', 'renameat'],
    reason: 'names in the root',
  },
  { names: ['chown', 'fchown', 'lchown', 'fchownat'], reason: 'owner of scratch and of pipes' },
  { names: ['kill', 'tgkill', 'tkill', 'pidfd_open', 'pidfd_send_signal'], reason: 'ending processes' },
  { names: ['wait4', 'waitid', 'getpid', 'getppid', 'gettid', 'setsid', 'setpgid'], reason: 'looking after processes' },
  { names: ['prlimit64', 'setrlimit', 'getrlimit', 'setpriority'], reason: 'limits of a step' },
  { names: ['socket', 'socketpair'], reason: 'talking to the spawner', when: [{ argument: 0, equals: AF_UNIX }] },
  {
    names: ['socket'],
    reason: 'raising loopback',
    when: [{ argument: 0, equals: AF_INET }, ANY_DATAGRAM, ANY_PROTOCOL],
  },
  { names: ['socket'], reason: 'raising loopback', when: [{ argument: 0, equals: AF_NETLINK }, ANY_PROTOCOL] },
  {
    names: ['setsockopt'],
    reason: 'talking to the spawner',
    when: [
      { argument: 1, equals: SOL_SOCKET },
      { argument: 2, notIn: SOCKET_PROGRAMS },
    ],
  },
  { names: ['bind', 'connect', 'getsockopt'], reason: 'talking to the spawner, and to routing' },
  { names: ['sendmsg', 'recvmsg', 'sendto', 'recvfrom', 'shutdown'], reason: 'talking to the spawner' },
  {
    names: ['ioctl'],
    reason: 'raising loopback, and loop devices',
    when: [{ argument: 1, notIn: DANGEROUS_REQUESTS }],
  },
  {
    names: [
      'poll',
      'ppoll',
      'epoll_create1',
      'epoll_ctl',
      'epoll_wait',
      'epoll_pwait',
      'eventfd2',
      'timerfd_create',
      'timerfd_settime',
      'signalfd4',
      'pipe2',
    ],
    reason: 'waiting',
  },
  { names: ['execve', 'execveat'], reason: 'starting the command; the maker executes itself anew' },
  { names: ['dup', 'dup2', 'dup3', 'close', 'close_range'], reason: 'placing and closing descriptors' },
  { names: ['fcntl'], reason: 'placing descriptors', when: [{ argument: 1, notIn: FOREIGN_REQUESTS }] },
  { names: ['chdir', 'fchdir', 'umask', 'getcwd'], reason: 'state of a step' },
  { names: ['stat', 'lstat', 'fstat', 'newfstatat', 'statx', 'statfs', 'fstatfs'], reason: 'looking at files' },
  { names: ['access', 'faccessat', 'faccessat2', 'readlink', 'readlinkat', 'getdents64'], reason: 'looking at files' },
  {
    names: ['read', 'write', 'readv', 'writev', 'pread64', 'pwrite64', 'lseek', 'ftruncate'],
    reason: 'reading and writing',
  },
  { names: ['fallocate'], reason: 'room on a disk', when: [{ argument: 1, equals: 0 }] },
  {
    names: ['memfd_create'],
    reason: 'a binary that nobody can overwrite',
    when: [{ argument: 1, noBits: MFD_HUGETLB }],
  },
  { names: ['munmap', 'mprotect', 'mremap', 'brk'], reason: 'memory' },
  { names: ['mmap'], reason: 'memory', when: [{ argument: 3, width: 64, noBits: MAP_HUGETLB }] },
  { names: ['madvise'], reason: 'memory', when: [{ argument: 2, notEquals: MADV_MERGEABLE }] },
  {
    names: ['getuid', 'getgid', 'geteuid', 'getegid', 'getgroups', 'getresuid', 'getresgid'],
    reason: 'looking at oneself',
  },
  { names: ['rt_sigaction', 'rt_sigprocmask', 'rt_sigtimedwait', 'rt_sigreturn', 'sigaltstack'], reason: 'signals' },
  {
    names: ['clock_gettime', 'clock_nanosleep', 'nanosleep', 'getrandom', 'uname', 'sched_yield'],
    reason: 'time and random numbers',
  },
  { names: ['set_tid_address', 'set_robust_list', 'rseq', 'futex', 'restart_syscall'], reason: 'the C library' },
  {
    names: ['arch_prctl'],
    reason: 'thread-local storage',
    when: [{ argument: 0, in: [0x1001, 0x1002, 0x1003, 0x1004] }],
  },
  { names: ['exit', 'exit_group'], reason: 'ending' },
];
