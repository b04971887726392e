import { isDeepStrictEqual } from 'node:util';
import { ARCHITECTURES } from './architectures.js';
import { PLANTED } from './rules/files.js';
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

/** Calls by which a file could come into being with set-id bits, or get them. */
const MODE_CALLS = [
  ...['chmod', 'fchmod', 'fchmodat', 'fchmodat2'],
  ...['creat', 'open', 'openat', 'mkdir', 'mkdirat', 'mknod', 'mknodat'],
];

/** Whether no call can leave a set-id bit on a file: the presets' rows that say so come before any that lets the call through. */
export function refusesSetId(policy: ResolvedSyscallPolicy, preset: ResolvedSyscallPolicy): boolean {
  const { table } = ARCHITECTURES[policy.architecture];
  const refuses = (name: string): boolean => {
    const number = table[name];
    if (number === undefined) return true;
    const wanted = preset.calls.get(number)?.find(({ reason }) => reason === PLANTED);
    for (const row of policy.calls.get(number) ?? []) {
      if (row.verdict === 'allow') return false;
      if (row.when.length === 0 || isDeepStrictEqual(row.when, wanted?.when)) return true;
    }
    return policy.otherwise.verdict !== 'allow';
  };
  return MODE_CALLS.every(refuses) && alwaysRefuses(policy, ['openat2']);
}

/** Whether both policies, of one architecture, decide this call by the same rows. */
export function decideAlike(one: ResolvedSyscallPolicy, other: ResolvedSyscallPolicy, name: string): boolean {
  const number = ARCHITECTURES[one.architecture].table[name] ?? -1;
  return isDeepStrictEqual([one.calls.get(number), one.otherwise], [other.calls.get(number), other.otherwise]);
}
