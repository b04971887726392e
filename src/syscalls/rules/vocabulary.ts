import type { ErrnoName } from '../errno.js';
import type { ArgumentCondition, SyscallRule } from '../types.js';

type Names = string | readonly string[];

/** The calls are executed. */
export function allow(name: Names, reason: string, when: readonly ArgumentCondition[] = []): SyscallRule {
  return { name, verdict: 'allow', reason, when };
}

/** The calls fail with `errno`, unexecuted. */
export function refuse(
  name: Names,
  errno: ErrnoName,
  reason: string,
  when: readonly ArgumentCondition[] = [],
): SyscallRule {
  return { name, verdict: 'errno', errno, reason, when };
}
