import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explain, overrideSyscalls, resolveSyscalls } from '#src/syscalls/index.js';
import type { SyscallOption, SyscallRule } from '#src/syscalls/index.js';

const rule = (more: object): object => ({ name: 'ptrace', verdict: 'allow', reason: 'a debugger', ...more });
const policy = (...rules: object[]): unknown => ({ extends: 'default', rules });
const when = (condition: object, name = 'ioctl'): unknown =>
  policy(rule({ name, when: [{ argument: 1, ...condition }] }));

function selfContaining(): object {
  const own: Record<string, unknown> = {};
  own['rules'] = own;
  return own;
}

const REFUSED: readonly (readonly [title: string, option: unknown, message: RegExp])[] = [
  ['a preset that does not exist', 'lenient', /'default', 'strict', 'build'.*"lenient"/],
  ['something else', 7, /expected .* or a policy, got 7/],
  ['a list', [], /expected .* or a policy/],
  ['an unknown key', { extend: 'default' }, /the policy has no extend/],
  ['an unknown key of a rule', policy(rule({ name: 'ptrace', because: 'x' })), /rule 0 has no because/],
  ['extending nothing known', { extends: 'lenient' }, /extends must be/],
  ['rules that are no list', { extends: 'default', rules: {} }, /rules must be a list/],
  ['an unknown call', policy(rule({ name: 'ptraec' })), /rule 0: no system call is named "ptraec"/],
  ['an inherited property as a name', policy(rule({ name: 'constructor' })), /no system call is named "constructor"/],
  ['no call', policy(rule({ name: [] })), /rule 0 names no call/],
  ['an unknown verdict', policy(rule({ verdict: 'deny' })), /the verdict must be allow, errno or kill/],
  ['an unknown errno', policy(rule({ verdict: 'errno', errno: 'ENOPE' })), /no error is named "ENOPE"/],
  ['an errno for a call that is allowed', policy(rule({ errno: 'EPERM' })), /verdict allow has no errno/],
  ['no reason', policy(rule({ reason: ' ' })), /rule 0 has no reason/],
  ['the same call twice', policy(rule({}), rule({ verdict: 'kill' })), /rule 1 \(ptrace\) can never be reached/],
  [
    'a case that earlier rules cover together',
    policy(
      rule({ name: 'ioctl', when: [{ argument: 1, atMost: 9 }] }),
      rule({ name: 'ioctl', verdict: 'kill', when: [{ argument: 1, atLeast: 10 }] }),
      rule({ name: 'ioctl', verdict: 'errno', when: [{ argument: 1, equals: 5 }] }),
    ),
    /rule 2 \(ioctl\) can never be reached/,
  ],
  [
    'conditions that contradict each other',
    policy(
      rule({
        name: 'ioctl',
        when: [
          { argument: 1, equals: 5 },
          { argument: 1, equals: 6 },
        ],
      }),
    ),
    /its conditions contradict each other/,
  ],
  ['an argument that does not exist', when({ argument: 6, equals: 0 }), /the argument must be 0 to 5/],
  ['a condition without a comparison', when({}), /needs exactly one of/],
  ['two comparisons in one', when({ equals: 1, atMost: 2 }), /needs exactly one of/],
  ['an unknown comparison', when({ equal: 1 }), /there is no equal/],
  ['a value wider than what the kernel reads', when({ equals: 0x100005412n }), /4294988818 does not fit/],
  ['a value that is no integer', when({ equals: 1.5 }), /1\.5 is not an integer/],
  ['a value outside the mask', when({ mask: 0xf, equals: 0x10 }), /bits outside the mask/],
  ['an empty mask', when({ mask: 0, equals: 0 }), /the mask is 0/],
  ['an empty list', when({ in: [] }), /the list of values is empty/],
  ['what always holds', when({ atLeast: 0 }), /always holds/],
  ['comparing bits that the kernel does not read', when({ width: 64, equals: 1 }), /the kernel reads 32 bits, not 64/],
  ['an argument of unknown width', when({ equals: 1 }, 'process_madvise'), /needs a width/],
  [
    'a step that can never execute',
    policy({ name: 'execve', verdict: 'errno', reason: 'no' }),
    /could never start: .* execve may be refused/,
  ],
  [
    'a step that can never read its job',
    policy({ name: 'recvmsg', verdict: 'kill', reason: 'no' }),
    /could never start: .* recvmsg may be refused/,
  ],
  [
    'a step that can only write to some descriptors',
    policy({ name: 'write', verdict: 'errno', reason: 'no', when: [{ argument: 0, atLeast: 3 }] }),
    /could never start: .* write may be refused/,
  ],
  ['nothing allowed at all', {}, /could never start/],
  ['what is no data', policy(selfContaining()), /a policy is plain data/],
];

void describe('a policy that cannot be meant is refused', () => {
  for (const [title, option, message] of REFUSED) {
    void test(title, () => {
      assert.throws(
        () => resolveSyscalls(option as SyscallOption, 'x64'),
        (error: Error & { code?: string }) => {
          assert.match(error.message, message);
          assert.equal(error.code, 'ERR_INVALID_OPTION');
          return true;
        },
      );
    });
  }
});

void test('own rules come before those of the preset', () => {
  const resolved = resolveSyscalls({ extends: 'default', rules: [rule({}) as SyscallRule] }, 'x64');
  assert.deepEqual(explain(resolved, 'ptrace'), { verdict: 'allow', reason: 'a debugger', when: [] });
  assert.equal(explain(resolved, 'mount').errno, 'EPERM');
});

void test('a rule without conditions for one case leaves the rest to the preset', () => {
  const resolved = resolveSyscalls(
    {
      extends: 'default',
      rules: [{ name: 'socket', verdict: 'kill', reason: 'no', when: [{ argument: 0, equals: 2 }] }],
    },
    'x64',
  );
  assert.equal(explain(resolved, 'socket', [2, 1, 0]).verdict, 'kill');
  assert.equal(explain(resolved, 'socket', [1, 1, 0]).verdict, 'allow');
});

void test('what no rule names is refused as unknown, or as the policy says', () => {
  const unknown = 999;
  assert.equal(explain(resolveSyscalls('default', 'x64'), unknown).errno, 'ENOSYS');
  const killing = { extends: 'strict', otherwise: { verdict: 'kill', reason: 'nothing new' } } as const;
  assert.equal(explain(resolveSyscalls(killing, 'x64'), unknown).verdict, 'kill');
});

void test('a negative value means the pattern that the kernel sees', () => {
  const own: SyscallRule = { name: 'setpriority', verdict: 'kill', reason: 'x', when: [{ argument: 2, equals: -1 }] };
  const resolved = resolveSyscalls({ extends: 'default', rules: [own] }, 'x64');
  assert.equal(explain(resolved, 'setpriority', [0, 0, -1]).verdict, 'kill');
  assert.equal(explain(resolved, 'setpriority', [0, 0, 0xffffffff]).verdict, 'kill');
  assert.equal(explain(resolved, 'setpriority', [0, 0, 0x7fffffff]).verdict, 'allow');
});

void test('a call that the architecture lacks is skipped', () => {
  const rules = [{ name: ['fork', 'ptrace'], verdict: 'kill', reason: 'no' }] as const;
  const resolved = resolveSyscalls({ extends: 'default', rules }, 'arm64');
  assert.equal(explain(resolved, 'ptrace').verdict, 'kill');
  assert.throws(() => explain(resolved, 'fork'), /arm64 has no call fork/);
});

void test('another layer can forbid a call whatever the user says', () => {
  const own = resolveSyscalls({ extends: 'default', rules: [{ name: 'memfd_create', verdict: 'allow', reason: 'x' }] });
  const watched = overrideSyscalls(own, [
    { name: 'memfd_create', verdict: 'errno', errno: 'ENOSYS', reason: 'memory that watching does not see' },
  ]);
  assert.equal(explain(watched, 'memfd_create').errno, 'ENOSYS');
  assert.equal(explain(own, 'memfd_create').verdict, 'allow');
});

void test('the same policy is worked out once', () => {
  assert.equal(resolveSyscalls('default', 'x64'), resolveSyscalls('default', 'x64'));
  const option = (equals: bigint): SyscallOption => ({
    extends: 'default',
    rules: [{ name: 'ioctl', verdict: 'kill', reason: 'x', when: [{ argument: 1, equals }] }],
  });
  assert.equal(resolveSyscalls(option(1n), 'x64'), resolveSyscalls(option(1n), 'x64'));
  assert.notEqual(resolveSyscalls(option(1n), 'x64'), resolveSyscalls(option(2n), 'x64'));
});
