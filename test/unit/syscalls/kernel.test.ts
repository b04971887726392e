import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { ARCHITECTURES, nativeArchitecture } from '#src/syscalls/architectures.js';
import type { SyscallOption } from '#src/syscalls/index.js';
import { anyCall, sixArguments, subject } from '../../helpers/filter-calls.js';
import { FilterKernel, type KernelCall } from '../../helpers/filter-kernel.js';

const known = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');
const skip = known ? false : 'the probe is written for x64 and arm64';
const architecture = known ? nativeArchitecture() : 'x64';
/** Another ABI can be entered from a program of 64 bits only here. */
const skipForeign = architecture === 'x64' ? false : 'not from a program of this architecture';

/** The kernel lets these through before it asks any filter, since 6.14 and 6.18. */
const UNFILTERED = new Set(architecture === 'x64' ? [335, 336] : []);

const OPTIONS: Readonly<Record<string, SyscallOption>> = {
  default: 'default',
  strict: 'strict',
  build: 'build',
  'a policy that kills': {
    extends: 'default',
    rules: [
      { name: ['ptrace', 'mount', 'bpf'], verdict: 'kill', reason: 'never by accident' },
      { name: 'socket', verdict: 'kill', reason: 'Internet', when: [{ argument: 0, in: [2, 10] }] },
      { name: 'mmap', verdict: 'kill', reason: 'far away', when: [{ argument: 0, atLeast: 0x700000000000n }] },
      { name: 'listen', verdict: 'errno', errno: 'EACCES', reason: 'short queue', when: [{ argument: 1, atMost: 4 }] },
    ],
    otherwise: { verdict: 'kill', reason: 'nothing new' },
  },
};

void describe('the kernel says what the interpreter says', { skip }, () => {
  const kernel = skip === false ? new FilterKernel() : undefined;
  after(() => {
    kernel?.[Symbol.dispose]();
  });

  const facts = ARCHITECTURES[architecture];

  const compare = (option: SyscallOption, calls: readonly KernelCall[]): void => {
    const { answer, expected } = subject(option, architecture);
    const said = kernel?.verdicts(option, calls) ?? [];
    for (const [index, { nr, args = [], foreign = false }] of calls.entries()) {
      const arch = foreign ? facts.foreignAudit : facts.audit;
      const what = `${foreign ? 'i386 ' : ''}${nr}(${args.join(', ')})`;
      assert.equal(said[index], nameOfReturn(answer(nr, args, arch)), what);
      assert.equal(said[index], nameOfReturn(expected(nr, args, arch)), what);
    }
  };

  for (const [title, option] of Object.entries(OPTIONS)) {
    const { policy } = subject(option, architecture);

    void test(`${title}: every call number, with arguments of all zeros and all ones`, () => {
      const numbers = Array.from({ length: 600 }, (_, nr) => nr).filter((nr) => !UNFILTERED.has(nr));
      const args = [0n, -1n].map((value) => Array.from({ length: 6 }, () => value));
      compare(
        option,
        args.flatMap((six) => numbers.map((nr) => ({ nr, args: six }))),
      );
    });

    void test(`${title}: x32`, { skip: skipForeign }, () => {
      compare(
        option,
        Array.from({ length: 600 }, (_, nr) => ({ nr: nr + 0x40000000 })),
      );
    });

    void test(`${title}: int 0x80`, { skip: skipForeign }, () => {
      compare(
        option,
        Array.from({ length: 500 }, (_, nr) => ({ nr, foreign: true })),
      );
    });

    void test(`${title}: arguments near those that rules name`, () => {
      const calls = fc.sample(fc.record({ nr: anyCall(policy), args: sixArguments(policy) }), 10_000);
      compare(
        option,
        calls.filter(({ nr }) => !UNFILTERED.has(nr)),
      );
    });
  }
});

function nameOfReturn(value: number): number | string {
  if (value === 0x7fff0000) return 'permitted';
  if (value === 0x7fc00000) return 'notified';
  return 0 - (value & 0xffff); // not -0
}
