import { overrideSyscalls } from './resolve.js';
import { refuse } from './rules/vocabulary.js';
import type { ResolvedSyscallPolicy, SyscallRule } from './types.js';

const AF_INET = 2;
const AF_INET6 = 10;
const PRIO_PROCESS = 0;

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

const NO_NETWORK: readonly SyscallRule[] = [
  refuse('socket', 'EACCES', "there is no net namespace, and the host's network was not asked for"),
];
const HOST_NETWORK: readonly SyscallRule[] = [
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
