import fc from 'fast-check';
import { combine, compileSyscalls, evaluate, explain, resolveSyscalls } from '#src/syscalls/index.js';
import type { Architecture, ResolvedSyscallPolicy, SyscallOption } from '#src/syscalls/index.js';
import { returnValue } from '#src/syscalls/compile/policy-diagram.js';
import { ARCHITECTURES } from '#src/syscalls/architectures.js';

/** What both programs of a policy answer together, and what its rows say. */
export interface Subject {
  readonly policy: ResolvedSyscallPolicy;
  readonly answer: (nr: number, args?: readonly (number | bigint)[], arch?: number) => number;
  readonly expected: (nr: number, args?: readonly (number | bigint)[], arch?: number) => number;
}

export function subject(option: SyscallOption, architecture: Architecture): Subject {
  const policy = resolveSyscalls(option, architecture);
  const { base, step } = compileSyscalls(policy);
  const native = ARCHITECTURES[architecture].audit;
  return {
    policy,
    answer: (nr, args = [], arch = native) =>
      combine(evaluate(base, { nr, arch, args }), evaluate(step, { nr, arch, args })),
    expected: (nr, args = [], arch = native) => returnValue(explain(policy, nr, args, arch)),
  };
}

/** Every value a rule compares with is near one of these, so that a random argument has a chance to matter. */
function interestingValues(policy: ResolvedSyscallPolicy): bigint[] {
  const values = [...policy.calls.values()]
    .flat()
    .flatMap(({ when }) => when.flatMap(({ mask, test }) => ('in' in test ? [mask, ...test.in] : [mask, test.atMost])));
  return [...new Set(values)];
}

/** Arguments: values that rules name, alone or together, a little beside, and with garbage in the upper half. */
export function anyArgument(policy: ResolvedSyscallPolicy): fc.Arbitrary<bigint> {
  const named = fc.constantFrom(0n, ...interestingValues(policy));
  const near = fc.tuple(named, fc.bigInt(-1n, 1n)).map(([value, beside]) => value + beside);
  const together = fc.tuple(named, named).map(([a, b]) => a | b);
  const low = fc.oneof(named, near, together, fc.bigInt(0n, 0xffffffffn));
  const high = fc.oneof(fc.constant(0n), fc.constant(0xffffffffn), fc.bigInt(0n, 0xffffffffn));
  return fc.tuple(low, high).map(([a, b]) => BigInt.asUintN(64, a ^ (b << 32n)));
}

export function sixArguments(policy: ResolvedSyscallPolicy): fc.Arbitrary<bigint[]> {
  return fc.array(anyArgument(policy), { minLength: 6, maxLength: 6 });
}

/** A call that some rule looks at the arguments of. */
export function anyCall(policy: ResolvedSyscallPolicy): fc.Arbitrary<number> {
  const conditional = [...policy.calls].filter(([, rules]) => rules.some(({ when }) => when.length > 0));
  return fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(0, ...conditional.map(([number]) => number)) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 600 }) },
  );
}
