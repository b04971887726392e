import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { combine, disassemble, evaluate } from '#src/syscalls/index.js';
import { encode } from '#src/syscalls/compile/instructions.js';

type Line = readonly [code: number, value: number, whenTrue?: number, whenFalse?: number];

const program = (...lines: Line[]): Uint8Array =>
  encode(lines.map(([code, value, whenTrue = 0, whenFalse = 0]) => ({ code, value, whenTrue, whenFalse })));

const DATA = { nr: 59, arch: 0xc000003e, instructionPointer: 0x1122334455667788n, args: [1n, -1, 0xaabbccdd11223344n] };

void describe('the interpreter', () => {
  const vectors: readonly (readonly [string, Uint8Array, number])[] = [
    ['returns a constant', program([0x06, 7]), 7],
    ['returns the accumulator', program([0x20, 0], [0x16, 0]), 59],
    ['loads the architecture', program([0x20, 4], [0x16, 0]), 0xc000003e],
    ['loads the instruction pointer low half first', program([0x20, 8], [0x16, 0]), 0x55667788],
    ['loads the lower half of an argument', program([0x20, 32], [0x16, 0]), 0x11223344],
    ['loads the upper half of an argument', program([0x20, 36], [0x16, 0]), 0xaabbccdd],
    ['sees a negative argument as all ones', program([0x20, 28], [0x16, 0]), 0xffffffff],
    ['reads an argument that is not given as 0', program([0x20, 56], [0x16, 0]), 0],
    ['jumps always', program([0x05, 1], [0x06, 1], [0x06, 2]), 2],
    ['jumps when equal', program([0x20, 0], [0x15, 59, 1, 0], [0x06, 1], [0x06, 2]), 2],
    ['compares without sign', program([0x20, 4], [0x25, 0x7fffffff, 1, 0], [0x06, 1], [0x06, 2]), 2],
    ['jumps when at least', program([0x20, 0], [0x35, 60, 0, 1], [0x06, 1], [0x06, 2]), 2],
    ['jumps when any bit is set', program([0x20, 4], [0x45, 0x80000000, 1, 0], [0x06, 1], [0x06, 2]), 2],
    ['masks', program([0x20, 4], [0x54, 0xff], [0x16, 0]), 0x3e],
    ['wraps around', program([0x00, 0xffffffff], [0x04, 2], [0x16, 0]), 1],
    ['multiplies in 32 bits', program([0x00, 0x10001], [0x24, 0x10001], [0x16, 0]), 0x20001],
    ['divides without sign', program([0x00, 0xfffffffe], [0x34, 2], [0x16, 0]), 0x7fffffff],
    ['negates', program([0x00, 1], [0x84, 0], [0x16, 0]), 0xffffffff],
    ['shifts', program([0x00, 1], [0x64, 31], [0x74, 30], [0x16, 0]), 2],
    ['uses x', program([0x01, 5], [0x00, 6], [0xac, 0], [0x16, 0]), 3],
    ['remembers', program([0x00, 9], [0x02, 15], [0x00, 0], [0x60, 15], [0x16, 0]), 9],
    ['moves between a and x', program([0x00, 9], [0x07, 0], [0x00, 0], [0x87, 0], [0x16, 0]), 9],
    ['knows the length', program([0x80, 0], [0x16, 0]), 64],
  ];
  for (const [name, code, expected] of vectors) {
    void test(name, () => {
      assert.equal(evaluate(code, DATA), expected);
    });
  }

  const refused: readonly (readonly [string, Uint8Array])[] = [
    ['a load beyond the data', program([0x20, 64], [0x06, 0])],
    ['a load that is not aligned', program([0x20, 2], [0x06, 0])],
    ['a load of a byte', program([0x30, 0], [0x06, 0])],
    ['memory that is not there', program([0x02, 16], [0x06, 0])],
    ['a program without a return', program([0x20, 0])],
    ['half an instruction', new Uint8Array(12)],
  ];
  for (const [name, code] of refused) {
    void test(`refuses ${name}`, () => {
      assert.throws(() => evaluate(code, DATA), RangeError);
    });
  }
});

void test('of two stacked filters the stricter answer counts', () => {
  const strictestFirst = [
    0x80000000, 0x00000000, 0x00030000, 0x00050001, 0x7fc00000, 0x7ff00000, 0x7ffc0000, 0x7fff0000,
  ];
  for (const [index, stricter] of strictestFirst.entries()) {
    for (const milder of strictestFirst.slice(index + 1)) {
      assert.equal(combine(stricter, milder), stricter);
      assert.equal(combine(milder, stricter), stricter);
    }
  }
  assert.equal(combine(0x00050001, 0x00050026), 0x00050026, 'of two errors, that of the later filter');
});

void test('a program can be read', () => {
  const code = program([0x20, 4], [0x15, 0xc000003e, 0, 1], [0x06, 0x7fff0000], [0x20, 20], [0x06, 0x00050026]);
  assert.equal(
    disassemble(code),
    [
      '0: load architecture',
      '1: if == 0xc000003e goto 2 else 3',
      '2: return ALLOW',
      '3: load argument 0 high',
      '4: return ERRNO ENOSYS',
    ].join('\n'),
  );
});
