import { ARCHITECTURES } from './architectures.js';
import { holds } from './conditions.js';
import { invalid } from './invalid.js';
import type { Explanation, ResolvedSyscallPolicy } from './types.js';

/**
 * What a policy says about one call, by name or number, read from its rows and not from a filter.
 * `audit` is the ABI that the call comes through, as `AUDIT_ARCH_*`; the native one unless given.
 */
export function explain(
  policy: ResolvedSyscallPolicy,
  call: number | string,
  args: readonly (number | bigint)[] = [],
  audit?: number,
): Explanation {
  const facts = ARCHITECTURES[policy.architecture];
  const number = typeof call === 'string' ? facts.table[call] : call >>> 0;
  if (number === undefined) throw invalid(`${policy.architecture} has no call ${String(call)}`);
  const [firstForeign, lastForeign] = facts.foreignNumbers ?? [Infinity, -Infinity];
  const isForeign = (audit ?? facts.audit) !== facts.audit || (number >= firstForeign && number <= lastForeign);
  if (isForeign) return policy.foreign;
  const rules = policy.calls.get(number) ?? [];
  return rules.find((rule) => rule.when.every((condition) => holds(condition, args))) ?? policy.otherwise;
}
