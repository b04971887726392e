import type { SyscallRule } from '../types.js';
import { allow, refuse } from './vocabulary.js';

const SECCOMP_SET_MODE_STRICT = 0;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_GET_ACTION_AVAIL = 2;
const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;

/** Programs that confine themselves or their children: rights only ever shrink. */
export const SELF_RESTRICTION: readonly SyscallRule[] = [
  refuse('seccomp', 'EPERM', 'a listener answers calls in place of the kernel, and there can only be one: ours', [
    { argument: 1, anyBits: SECCOMP_FILTER_FLAG_NEW_LISTENER },
  ]),
  allow('seccomp', 'filters only ever add up', [
    { argument: 0, in: [SECCOMP_SET_MODE_STRICT, SECCOMP_SET_MODE_FILTER, SECCOMP_GET_ACTION_AVAIL] },
  ]),
  refuse('seccomp', 'EINVAL', 'what a kernel without the operation answers'),
  allow(
    ['landlock_create_ruleset', 'landlock_add_rule', 'landlock_restrict_self'],
    'rights only ever shrink; xz and others confine themselves',
  ),
];
