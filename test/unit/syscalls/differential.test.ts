import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compileSyscalls, evaluate, resolveSyscalls } from '#src/syscalls/index.js';
import type { Architecture, ArgumentIndex, ArgumentWidth, SyscallPolicy, SyscallPreset } from '#src/syscalls/index.js';
import { ARCHITECTURES } from '#src/syscalls/architectures.js';
import { PARKED } from '#src/syscalls/parked.js';
import { widthOf } from '#src/syscalls/widths.js';
import { anyCall, sixArguments, subject } from '../../helpers/filter-calls.js';

const PRESETS: readonly SyscallPreset[] = ['default', 'strict', 'build'];
const BOTH: readonly Architecture[] = ['x64', 'arm64'];
const EXHAUSTIVE = Array.from({ length: 1106 }, (_, index) => index - 5);

/** Golden bounds: what a change to the presets may cost before somebody has to look at it. */
const MOST_INSTRUCTIONS = { base: 240, step: 100 };

for (const architecture of BOTH) {
  for (const preset of PRESETS) {
    void describe(`${preset} on ${architecture}`, () => {
      const { policy, answer, expected } = subject(preset, architecture);

      void test('both programs together say what the rows say, for every number', () => {
        for (const nr of [...EXHAUSTIVE, 0x7fffffff, 0x80000000]) assert.equal(answer(nr), expected(nr), String(nr));
      });

      void test('and for every other ABI', () => {
        const { foreignAudit, audit } = ARCHITECTURES[architecture];
        for (const nr of EXHAUSTIVE) {
          for (const arch of [foreignAudit, 0, audit - 1, audit + 1, 0xffffffff]) {
            assert.equal(answer(nr, [], arch), 0x7fc00000);
          }
          if (nr < 0 || architecture !== 'x64') continue;
          assert.equal(answer(nr + 0x40000000), 0x7fc00000, `x32 ${nr}`);
        }
      });

      void test('and for arguments near those that rules name', () => {
        const call = fc.tuple(anyCall(policy), sixArguments(policy));
        const same = fc.property(call, ([nr, args]) => {
          assert.equal(answer(nr, args), expected(nr, args));
        });
        fc.assert(same, { numRuns: 8000 });
      });

      void test('garbage above what the kernel reads decides nothing', () => {
        const garbage = fc.tuple(anyCall(policy), sixArguments(policy), fc.bigInt(0n, 0xffffffffn));
        const narrow = [
          'clone',
          'ioctl',
          'openat',
          'socket',
          'fchmodat',
          'mknodat',
          'personality',
          'seccomp',
          'mkdirat',
        ];
        const numbers = narrow.map((name) => ARCHITECTURES[architecture].table[name]);
        const same = fc.property(garbage, ([nr, args, above]) => {
          fc.pre(numbers.includes(nr));
          const dirty = args.map((value) => BigInt.asUintN(32, value) | (above << 32n));
          assert.equal(answer(nr, dirty), answer(nr, args));
        });
        fc.assert(same, { numRuns: 1000 });
      });

      void test('the programs stay small', () => {
        const { base, step, notifies } = compileSyscalls(policy);
        assert.ok(base.length / 8 <= MOST_INSTRUCTIONS.base, `base: ${base.length / 8}`);
        assert.ok(step.length / 8 <= MOST_INSTRUCTIONS.step, `step: ${step.length / 8}`);
        assert.equal(notifies, true);
      });
    });
  }
}

const MUST_BE_ALLOWED = new Set(PARKED.map(({ name }) => name));
const INDICES: readonly ArgumentIndex[] = [0, 1, 2, 3, 4, 5];

/** Calls of which no argument's width is known, so that a rule may give any. */
const OTHERS = Object.keys(ARCHITECTURES.x64.table).filter(
  (name) => !MUST_BE_ALLOWED.has(name) && INDICES.every((argument) => widthOf(name, argument) === undefined),
);

const anyCondition = fc.constantFrom<ArgumentWidth>(16, 32, 64).chain((width) => {
  const full = (1n << BigInt(width)) - 1n;
  const value = fc.oneof(fc.bigInt(0n, 16n), fc.bigInt(0n, full));
  const bits = fc.bigInt(1n, full);
  const list = fc.array(value, { minLength: 1, maxLength: 6 });
  const test = fc.oneof(
    fc.record({ equals: value }),
    fc.record({ notEquals: value }),
    fc.record({ in: list }),
    fc.record({ notIn: list }),
    fc.record({ atMost: value }),
    fc.record({ atLeast: bits }),
    fc.record({ anyBits: bits }),
    fc.record({ noBits: bits }),
    fc.tuple(bits, value).map(([mask, equals]) => ({ mask, equals: equals & mask })),
    fc.tuple(bits, value).map(([mask, atMost]) => ({ mask, atMost })),
  );
  return fc
    .tuple(fc.constantFrom(...INDICES.slice(0, 3)), test)
    .map(([argument, rest]) => ({ argument, width, ...rest }));
});
const anyVerdict = fc.oneof(
  fc.constant({ verdict: 'allow' as const }),
  fc.constant({ verdict: 'kill' as const }),
  fc.constantFrom('EPERM' as const, 'EACCES' as const).map((errno) => ({ verdict: 'errno' as const, errno })),
);
const anyRule = fc
  .tuple(fc.constantFrom(...OTHERS.slice(0, 20)), anyVerdict, fc.array(anyCondition, { maxLength: 3 }))
  .map(([name, verdict, when]) => ({ name, ...verdict, reason: 'random', when }));

void test('policies of all kinds say what their rows say', () => {
  let compiled = 0;
  const policies = fc.tuple(
    fc.array(anyRule, { minLength: 1, maxLength: 12 }),
    anyVerdict,
    fc.infiniteStream(fc.nat()),
  );
  const same = fc.property(policies, ([rules, verdict]) => {
    const otherwise = { ...verdict, reason: 'random' };
    const parked = [...MUST_BE_ALLOWED].map((name) => ({ name, verdict: 'allow' as const, reason: 'random' }));
    const option: SyscallPolicy = { rules: [...parked, ...rules], otherwise };
    let random;
    try {
      random = subject(option, 'x64');
    } catch (error) {
      // Rows that cannot be reached, or compare with more than the kernel reads, are refused.
      assert.match(String(error), /SandboxError/);
      return;
    }
    compiled += 1;
    const { policy, answer, expected } = random;
    for (const [nr, args] of fc.sample(fc.tuple(anyCall(policy), sixArguments(policy)), 40)) {
      assert.equal(answer(nr, args), expected(nr, args));
    }
  });
  fc.assert(same, { numRuns: 300 });
  assert.ok(compiled > 30, `only ${compiled} policies could be compiled`);
});

void test('a policy with hundreds of argument rules fits, over jumps that are too long for one instruction', () => {
  const names = OTHERS;
  const rules = names.flatMap((name, index) => [
    {
      name,
      verdict: 'errno',
      errno: 'EACCES',
      reason: 'long',
      when: [{ argument: 5, width: 64, equals: BigInt(index) << 20n }],
    },
    { name, verdict: index % 2 === 0 ? 'kill' : 'allow', reason: 'long' },
  ]) satisfies SyscallPolicy['rules'];
  const { answer, expected, policy } = subject({ extends: 'default', rules }, 'x64');
  const { base, step } = compileSyscalls(policy);
  assert.ok(base.length / 8 > 500 && base.length / 8 <= 4096);
  for (const nr of EXHAUSTIVE) {
    for (const value of [0n, BigInt(nr) << 20n, 5n << 20n]) {
      const args = [0, 0, 0, 0, 0, value];
      assert.equal(answer(nr, args), expected(nr, args), `${nr} ${value}`);
    }
  }
  assert.equal(evaluate(step, { nr: 0, arch: 0, args: [] }), 0x7fc00000);
});

void test('a policy beyond what the kernel loads is refused', () => {
  const values = Array.from({ length: 3000 }, (_, index) => BigInt(index) * 5n);
  const rules = [{ name: 'listen', verdict: 'kill', reason: 'long', when: [{ argument: 1, in: values }] }] as const;
  assert.throws(() => compileSyscalls(resolveSyscalls({ extends: 'default', rules }, 'x64')), /instructions/);
});
