import type { Check, Judge, Operation } from '../check.js';
import { oneOf, otherThanOutside, refused, said } from '../judge.js';

/** SECBIT_NOROOT, SECBIT_NO_SETUID_FIXUP and SECBIT_NO_CAP_AMBIENT_RAISE, each with its lock, and SECBIT_KEEP_CAPS locked. */
const LOCKED = ['239', '255'];
const RLIMIT_CORE = 4;
const RLIMIT_NOFILE = 7;
const PR_CAPBSET_DROP = 24;
const SETS = ['effective', 'permitted', 'inheritable', 'bounding', 'ambient'];

/** User and group, each as it is and as it counts. */
function hasNoRoot(ids: string): boolean {
  return !ids.split(' ').includes('0');
}

function identity(id: string, title: string, operation: Operation, judge: Judge): Check {
  return { group: 'identity', id, title, operation, judge };
}

export const IDENTITY: readonly Check[] = [
  identity('user', 'has the id 0 of a user or a group', ['user'], said(hasNoRoot, 'without 0')),
  identity('groups', 'is in further groups', ['groups'], oneOf('0')),
  ...SETS.map((set) => identity(set, `has ${set} capabilities`, ['capabilities', set], oneOf('0'))),
  identity('securebits', 'could get capabilities back by becoming root', ['securebits'], oneOf(...LOCKED)),
  identity('no-new-privs', 'gets privileges by set-id programs', ['no-new-privs'], oneOf('1')),
  identity('seccomp', 'has no filter for its system calls', ['seccomp'], oneOf('2')),
  identity('become-root', 'becomes root', ['become', 0], refused),
  identity('become-another', 'becomes another user', ['become', 65_534], refused),
  identity('join-group', 'joins a group', ['join-group', 0], refused),
  identity('set-uid', 'sets its user by setuid', ['call', 'setuid', 0], refused),
  identity('set-gid', 'sets its group by setgid', ['call', 'setgid', 0], refused),
  identity('drop-bounding', 'is in charge of its bounding set', ['call', 'prctl', PR_CAPBSET_DROP, 40], refused),
  identity('maps-users', 'has more ids of users than one range', ['maps-more', '/proc/self/uid_map'], refused),
  identity('maps-groups', 'has more ids of groups than one range', ['maps-more', '/proc/self/gid_map'], refused),
  identity('write-map', 'maps ids for itself', ['write', '/proc/self/uid_map'], refused),
  identity('write-groups', 'changes whether it may set groups', ['write', '/proc/self/setgroups'], refused),
  identity('hostname', 'knows the name of the host', ['hostname'], otherThanOutside),
  {
    group: 'identity',
    id: 'session',
    title: 'is in the session of its launcher',
    operation: ({ session, pidNamespace }) => ['session', session, pidNamespace],
    judge: refused,
  },
  identity('core', 'wakes the handler of core dumps when it crashes', ['dumps-core'], refused),
  identity('raise-core', 'raises its limit of core dumps', ['limit', RLIMIT_CORE], oneOf('0', '1')),
  identity('descriptors', 'may have as many descriptors as its launcher', ['limit', RLIMIT_NOFILE], otherThanOutside),
  identity('priority', 'raises its priority', ['priority', -5], refused),
  identity('real-time-fifo', 'runs in a real-time class (SCHED_FIFO)', ['real-time', 1], refused),
  identity('real-time-rr', 'runs in a real-time class (SCHED_RR)', ['real-time', 2], refused),
  identity('oom-score', 'makes others the first victim of a shortage', ['write', '/proc/self/oom_score_adj'], refused),
  identity('oom-adj', 'makes others the first victim, by the older file', ['write', '/proc/self/oom_adj'], refused),
  identity('timer-slack', 'changes the timers of others', ['write', '/proc/1/timerslack_ns'], refused),
  identity('login-uid', 'changes as whom it is audited', ['write', '/proc/self/loginuid'], refused),
];
