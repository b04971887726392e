import { overrideSyscalls } from './resolve.js';
import { SETUP } from './setup.js';
import type { ResolvedSyscallPolicy, SyscallRule } from './types.js';

/** What a step that was forked by a zygote has still to do until its own filter is on, beyond what programs may. */
const ENTERING = [
  ...['setns', 'capset', 'seccomp', 'prctl'],
  ...['setresuid', 'setresgid', 'setgroups'],
  ...['landlock_create_ruleset', 'landlock_add_rule', 'landlock_restrict_self'],
];

const KEYCTL_JOIN_SESSION_KEYRING = 1;

/**
 * Rows of the same conditions as in `SETUP`, so that the first of the two filters stays what it is for a step: then a step
 * need not install that again.
 */
const RULES: readonly SyscallRule[] = [
  ...SETUP.flatMap(({ names, when, reason }) =>
    names
      .filter((name) => ENTERING.includes(name))
      .map((name) => ({ name, verdict: 'allow' as const, reason, ...(when === undefined ? {} : { when }) })),
  ),
  {
    name: 'keyctl',
    verdict: 'allow',
    reason: 'a keyring of its own for each step',
    when: [{ argument: 0, width: 32, equals: KEYCTL_JOIN_SESSION_KEYRING }],
  },
];

/** One object for one policy: compiled filters are remembered by it. */
const overridden = new WeakMap<ResolvedSyscallPolicy, ResolvedSyscallPolicy>();

/** The policy of a zygote whose steps have `policy` at most. */
export function zygoteSyscalls(policy: ResolvedSyscallPolicy): ResolvedSyscallPolicy {
  const known = overridden.get(policy) ?? overrideSyscalls(policy, RULES);
  overridden.set(policy, known);
  return known;
}
