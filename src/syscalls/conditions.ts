import { show } from '../show.js';
import { invalid } from './invalid.js';
import type { ArgumentCondition, ArgumentWidth, ResolvedCondition } from './types.js';
import { widthOf } from './widths.js';

const KEYS = new Set(['argument', 'width', 'mask']);
const TESTS = ['equals', 'notEquals', 'in', 'notIn', 'atMost', 'atLeast', 'anyBits', 'noBits'] as const;

/** Brings a condition on an argument of `name` into its only form, or says what is wrong with it. */
export function resolveCondition(name: string, condition: ArgumentCondition): ResolvedCondition {
  const where = `condition on argument ${condition.argument} of ${name}`;
  if (!Number.isInteger(condition.argument) || condition.argument < 0 || condition.argument > 5) {
    throw invalid(`${where}: the argument must be 0 to 5`);
  }
  const test = onlyTest(condition, where);
  const full = (1n << BigInt(resolveWidth(name, condition, where))) - 1n;
  const read = (value: unknown): bigint => readValue(value, full, where);
  const mask = condition.mask === undefined ? full : read(condition.mask);
  if (mask === 0n) throw invalid(`${where}: the mask is 0, so that nothing is compared`);
  const resolved = readTest(condition, test, mask, read, where);
  return { argument: condition.argument, ...resolved };
}

/** Whether a condition holds for the arguments of one call. */
export function holds(condition: ResolvedCondition, args: readonly (number | bigint)[]): boolean {
  const value = BigInt.asUintN(64, BigInt(args[condition.argument] ?? 0)) & condition.mask;
  const { test } = condition;
  const matches = 'in' in test ? test.in.includes(value) : value <= test.atMost;
  return matches !== condition.negated;
}

type Test = (typeof TESTS)[number];
type Tested = Omit<ResolvedCondition, 'argument'>;

function onlyTest(condition: ArgumentCondition, where: string): Test {
  const names: readonly string[] = TESTS;
  const unknown = Object.keys(condition).find((key) => !KEYS.has(key) && !names.includes(key));
  if (unknown !== undefined) throw invalid(`${where}: there is no ${unknown}`);
  const given = TESTS.filter((test) => condition[test] !== undefined);
  const [test] = given;
  if (test === undefined || given.length > 1) throw invalid(`${where} needs exactly one of ${TESTS.join(', ')}`);
  return test;
}

function resolveWidth(name: string, condition: ArgumentCondition, where: string): ArgumentWidth {
  const known = widthOf(name, condition.argument);
  const { width } = condition;
  if (width !== undefined && ![16, 32, 64].includes(width)) throw invalid(`${where}: the width must be 16, 32 or 64`);
  if (known === undefined && width === undefined) {
    throw invalid(`${where} needs a width (16, 32 or 64): how many bits the kernel reads is not known here`);
  }
  if (known !== undefined && width !== undefined && known !== width) {
    throw invalid(`${where}: the kernel reads ${known} bits, not ${width}; the others must not decide anything`);
  }
  return width ?? known ?? 64;
}

function readTest(
  condition: ArgumentCondition,
  test: Test,
  mask: bigint,
  read: (value: unknown) => bigint,
  where: string,
): Tested {
  const within = (value: unknown): bigint => {
    const bits = read(value);
    if ((bits & ~mask) === 0n) return bits;
    // A negative number means "all ones above", which the mask is there to cut off.
    if (Number(value) < 0) return bits & mask;
    throw invalid(`${where}: ${String(value)} has bits outside the mask, so it can never be met`);
  };
  switch (test) {
    case 'equals':
    case 'notEquals':
      return { mask, test: { in: [within(condition[test])] }, negated: test === 'notEquals' };
    case 'in':
    case 'notIn':
      return { mask, test: { in: readList(condition[test], within, where) }, negated: test === 'notIn' };
    case 'atMost':
      return { mask, test: { atMost: read(condition.atMost) }, negated: false };
    case 'atLeast': {
      const least = read(condition.atLeast);
      if (least === 0n) throw invalid(`${where}: atLeast 0 always holds`);
      return { mask, test: { atMost: least - 1n }, negated: true };
    }
    case 'anyBits':
    case 'noBits': {
      if (condition.mask !== undefined) throw invalid(`${where}: ${test} is a mask itself`);
      const bits = read(condition[test]);
      if (bits === 0n) throw invalid(`${where}: ${test} needs at least one bit`);
      return { mask: bits, test: { in: [0n] }, negated: test === 'anyBits' };
    }
  }
}

function readList(list: unknown, read: (value: unknown) => bigint, where: string): bigint[] {
  if (!Array.isArray(list) || list.length === 0) throw invalid(`${where}: the list of values is empty`);
  return list.map(read);
}

function readValue(value: unknown, full: bigint, where: string): bigint {
  const integer = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));
  if (!integer) throw invalid(`${where}: ${show(value)} is not an integer`);
  const wanted = BigInt(value);
  // From the most negative signed number to the largest unsigned one of that width.
  if (wanted > full || wanted < -((full + 1n) / 2n)) throw invalid(`${where}: ${String(value)} does not fit`);
  return wanted & full;
}
