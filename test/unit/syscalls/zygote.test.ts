import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ARCHITECTURES } from '#src/syscalls/architectures.js';
import {
  combine,
  compileForZygote,
  compileSyscalls,
  evaluate,
  resolveSyscalls,
  type SyscallOption,
  zygoteSyscalls,
} from '#src/syscalls/index.js';
import { SECCOMP_RET } from '#src/syscalls/seccomp.js';

const { audit, table } = ARCHITECTURES.x64;
const LEAST = resolveSyscalls('default', 'x64');
const ACTION = 0xffff0000;
const CLONE_NEWUSER = 0x10000000;
const I386 = 0x40000003;

function filtersOf(option: SyscallOption): { readonly zygote: Filters; readonly step: Filters } {
  const policy = resolveSyscalls(option, 'x64');
  return { zygote: compileForZygote(zygoteSyscalls(policy), LEAST), step: compileSyscalls(policy) };
}

interface Filters {
  readonly base: Uint8Array;
  readonly step: Uint8Array;
}

/** What the kernel answers to a call under several pairs of filters, installed in this order. */
function answer(stack: readonly Filters[], name: string, args: readonly number[] = [], arch = audit): number {
  const data = { nr: arch === audit ? (table[name] ?? NaN) : 5, arch, args: [...args, 0, 0, 0, 0, 0, 0].slice(0, 6) };
  const programs = stack.flatMap(({ base, step }) => [base, step]);
  const verdict = programs.map((program) => evaluate(program, data)).reduce(combine, SECCOMP_RET.ALLOW);
  return (verdict & ACTION) >>> 0;
}

void describe('the filters of a zygote', () => {
  void test('permit to enter a sandbox, and to confine oneself', () => {
    const { zygote } = filtersOf('default');
    for (const name of ['setns', 'capset', 'setresuid', 'setgroups', 'landlock_restrict_self', 'seccomp']) {
      assert.equal(answer([zygote], name), SECCOMP_RET.ALLOW, name);
    }
    assert.equal(answer([zygote], 'keyctl', [1]), SECCOMP_RET.ALLOW);
  });

  void test('refuse what making a sandbox needs, and what no program does', () => {
    const { zygote } = filtersOf('build');
    for (const name of [
      'mount',
      'umount2',
      'unshare',
      'pivot_root',
      'move_mount',
      'open_tree',
      'mount_setattr',
      'bpf',
    ]) {
      assert.equal(answer([zygote], name), SECCOMP_RET.ERRNO, name);
    }
    assert.equal(answer([zygote], 'clone', [CLONE_NEWUSER]), SECCOMP_RET.ERRNO);
    assert.equal(answer([zygote], 'keyctl', [0]), SECCOMP_RET.ERRNO);
    assert.equal(answer([zygote], 'clone', [17]), SECCOMP_RET.ALLOW, 'the control');
  });

  void test('let no step do what its own policy refuses, and refuse nothing that it permits', () => {
    const own: SyscallOption = {
      extends: 'default',
      rules: [{ name: ['keyctl', 'getpid'], verdict: 'allow', reason: 'a test' }],
    };
    for (const option of ['default', 'build', 'strict', own] as const) {
      const { zygote, step } = filtersOf(option);
      for (const name of Object.keys(table)) {
        const expected = answer([step], name);
        assert.equal(answer([zygote, step], name), expected, `${name} with ${JSON.stringify(option)}`);
      }
    }
  });

  void test('answer a call of another ABI as one without a tracer, which in a step its own filter tells', () => {
    const { zygote, step } = filtersOf('default');
    assert.equal(answer([zygote], '', [], I386), SECCOMP_RET.TRACE);
    assert.equal(answer([zygote, step], '', [], I386), SECCOMP_RET.USER_NOTIF);
  });

  void test('begin with the one of a step, which need not be installed again', () => {
    for (const option of ['default', 'build'] as const) {
      const { zygote, step } = filtersOf(option);
      assert.deepEqual(zygote.base, step.base);
    }
    const { zygote, step } = filtersOf('strict');
    assert.notDeepEqual(zygote.base, step.base, 'the control');
  });
});
