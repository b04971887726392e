import { overrideSyscalls } from './resolve.js';
import { DANGEROUS_REQUESTS } from './rules/terminal.js';
import { refuse } from './rules/vocabulary.js';
import type { ResolvedSyscallPolicy, SyscallRule } from './types.js';

const AF_INET = 2;
const AF_INET6 = 10;
const PRIO_PROCESS = 0;
const SOCKET_TYPE = 0xf;
const CONNECTED_TYPES = [1, 5]; // SOCK_STREAM, SOCK_SEQPACKET

const O_ACCMODE = 3;
const O_RDONLY_AND_TRUNC = 0o1000;

/** Requests that ask or change what is the process's own: descriptors, terminals, and copies between files that it may write. */
const OWN_REQUESTS = [
  ...[0x5421, 0x5450, 0x5451, 0x5452], // FIONBIO, FIONCLEX, FIOCLEX, FIOASYNC
  ...[0x541b, 0x5460], // FIONREAD, FIOQSIZE
  ...[0x5401, 0x5402, 0x5403, 0x5404, 0x540f, 0x5410, 0x5413, 0x5414, 0x5429], // terminals
  ...[0x802c542a, 0x402c542b, 0x402c542c, 0x402c542d], // the same with speeds: TCGETS2 and its like
  ...[0x40049409, 0x4020940d], // FICLONE, FICLONERANGE
  ...[0x80086601, 0x801c581f], // FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR
];

/** By number, and the host's would answer: there is no namespace of one's own. */
const EXCHANGE = [
  ...['shmget', 'shmat', 'shmctl', 'semget', 'semop', 'semtimedop', 'semctl'],
  ...['msgget', 'msgsnd', 'msgrcv', 'msgctl', 'mq_open', 'mq_unlink'],
];

const ANOTHER = { argument: 0, width: 32, notEquals: 0 } as const;

/** What the mount tree and the namespaces decide elsewhere, and Landlock does not know. */
const ALWAYS: readonly SyscallRule[] = [
  refuse(EXCHANGE, 'ENOSYS', 'reaches what is shared by number on the host'),
  refuse(
    ['setxattr', 'lsetxattr', 'fsetxattr', 'removexattr', 'lremovexattr', 'fremovexattr'],
    'EOPNOTSUPP',
    'by path, of files that were not shown, too',
  ),
  ...(['open', 'openat'] as const).flatMap((name) => {
    const argument = name === 'open' ? 1 : 2;
    return [
      refuse(
        name,
        'EACCES',
        'a descriptor for neither reading nor writing, which Landlock lets anybody have of any file',
        [{ argument, mask: O_ACCMODE, equals: O_ACCMODE }],
      ),
      refuse(name, 'EACCES', 'cuts off what may only be read, before Linux 6.2', [
        { argument, mask: O_ACCMODE | O_RDONLY_AND_TRUNC, equals: O_RDONLY_AND_TRUNC },
      ]),
    ];
  }),
  refuse('openat2', 'ENOSYS', 'flags lie behind a pointer that BPF cannot read'),
  refuse('ioctl', 'ENOTTY', 'changes files and devices that are shown for reading only: there is no read-only mount', [
    { argument: 1, notIn: [...OWN_REQUESTS, ...DANGEROUS_REQUESTS] },
  ]),
  refuse('ioctl', 'EPERM', 'types into the terminal of whoever started the app, or changes what it is', [
    { argument: 1, in: DANGEROUS_REQUESTS },
  ]),
  refuse('fallocate', 'EOPNOTSUPP', 'takes room faster than it can be looked at'),
  refuse('truncate', 'EACCES', 'by path, of files that were not shown, too, before Linux 6.2'),
  refuse(
    ['inotify_init', 'inotify_init1', 'inotify_add_watch'],
    'ENOSYS',
    "tells what happens to files that were not shown, and uses up what the app's user has of it",
  ),
  refuse(
    ['sched_setaffinity', 'sched_setscheduler', 'sched_setparam', 'sched_setattr', 'ioprio_set'],
    'EPERM',
    'of another process: there is no pid namespace',
    [ANOTHER],
  ),
  refuse('setpriority', 'EPERM', 'of other processes: there is no pid namespace', [
    { argument: 0, notEquals: PRIO_PROCESS },
  ]),
  refuse('setpriority', 'EPERM', 'of other processes: there is no pid namespace', [{ argument: 1, notEquals: 0 }]),
];

const NOT_CONNECTED = refuse(
  'socketpair',
  'EACCES',
  'a socket that can be sent from to any other by its path, which Landlock does not know',
  [{ argument: 1, mask: SOCKET_TYPE, notIn: CONNECTED_TYPES }],
);

const NO_NETWORK: readonly SyscallRule[] = [
  NOT_CONNECTED,
  refuse(
    ['bind', 'connect', 'listen'],
    'EACCES',
    "there is no net namespace, and the host's network was not asked for",
  ),
  refuse('sendto', 'EACCES', "there is no net namespace, and the host's network was not asked for", [
    { argument: 4, notEquals: 0 },
  ]),
  refuse('socket', 'EACCES', "there is no net namespace, and the host's network was not asked for"),
];
const HOST_NETWORK: readonly SyscallRule[] = [
  NOT_CONNECTED,
  refuse('socket', 'EACCES', 'reaches servers of the host by a path, which Landlock does not know', [
    { argument: 0, notIn: [AF_INET, AF_INET6] },
  ]),
];

/** Where the step owns what the app owns. */
const SHARED_ID: readonly SyscallRule[] = [
  refuse(
    ['chmod', 'fchmod', 'fchmodat', 'fchmodat2', 'chown', 'fchown', 'lchown', 'fchownat'],
    'EPERM',
    "the app's own files have the same owner, and Landlock does not know of modes",
  ),
  refuse(
    ['utime', 'utimes', 'futimesat', 'utimensat'],
    'EPERM',
    "the app's own files have the same owner, and Landlock does not know of times",
  ),
];

export interface PortableConditions {
  readonly hostNetwork: boolean;
  /** The step may have the app's own id. */
  readonly sharesId: boolean;
}

/** One object for one policy: compiled filters are remembered by it. */
const overridden = new WeakMap<ResolvedSyscallPolicy, Map<string, ResolvedSyscallPolicy>>();

/** `policy`, and what must be refused besides where a step has no namespaces. Refuses only, so that it never allows more. */
export function portableSyscalls(policy: ResolvedSyscallPolicy, conditions: PortableConditions): ResolvedSyscallPolicy {
  const known = overridden.get(policy) ?? new Map<string, ResolvedSyscallPolicy>();
  overridden.set(policy, known);
  const key = `${String(conditions.hostNetwork)} ${String(conditions.sharesId)}`;
  let portable = known.get(key);
  if (portable === undefined) {
    const { hostNetwork, sharesId } = conditions;
    portable = overrideSyscalls(policy, [
      ...ALWAYS,
      ...(hostNetwork ? HOST_NETWORK : NO_NETWORK),
      ...(sharesId ? SHARED_ID : []),
    ]);
    known.set(key, portable);
  }
  return portable;
}
