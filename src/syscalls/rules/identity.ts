import type { SyscallRule } from '../types.js';
import { allow } from './vocabulary.js';

/** Identity: without a capability a process can only become what it is. */
export const IDENTITY: readonly SyscallRule[] = [
  allow(['getuid', 'geteuid', 'getgid', 'getegid', 'getresuid', 'getresgid', 'getgroups'], 'who one is'),
  allow(
    ['setuid', 'setgid', 'setreuid', 'setregid', 'setresuid', 'setresgid'],
    'called by programs that give up rights',
  ),
  allow(['setfsuid', 'setfsgid', 'setgroups'], 'called by programs that give up rights'),
  allow(['capget', 'capset'], 'capabilities can only be given up; there are none'),
];
