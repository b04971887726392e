import { isDeepStrictEqual } from 'node:util';
import { ARCHITECTURES } from './architectures.js';
import type { ResolvedSyscallPolicy } from './types.js';

/** Whether the policy never lets any of these calls through, whatever their arguments. */
export function alwaysRefuses(policy: ResolvedSyscallPolicy, names: readonly string[]): boolean {
  return names.every((name) => {
    const number = ARCHITECTURES[policy.architecture].table[name];
    if (number === undefined) return true;
    const rules = policy.calls.get(number) ?? [];
    const decided = rules.some(({ when }) => when.length === 0);
    return rules.every(({ verdict }) => verdict !== 'allow') && (decided || policy.otherwise.verdict !== 'allow');
  });
}

/** Whether both policies, of one architecture, decide this call by the same rows. */
export function decideAlike(one: ResolvedSyscallPolicy, other: ResolvedSyscallPolicy, name: string): boolean {
  const number = ARCHITECTURES[one.architecture].table[name] ?? -1;
  return isDeepStrictEqual([one.calls.get(number), one.otherwise], [other.calls.get(number), other.otherwise]);
}
