import type { Rule } from '../field.js';
import type { Views } from '../views.js';
import { isNull, type Validity } from './bitmap.js';

const DAY = 86_400_000;
const WORD = 2 ** 32;
/** 2^32 milliseconds, without whole days. */
const WORD_WITHOUT_DAYS = WORD % DAY;

/** The first value that breaks the rule of its type and is not null, or -1. */
export function wrongNumber(
  views: Views,
  at: number,
  length: number,
  bytes: number,
  validity: Validity,
  rule: Rule,
): number {
  if (rule.kind === 'decimal') return wrongDecimal(views, at, length, bytes, validity, rule.precision);
  if (rule.kind === 'days') return wrongDays(views, at, length, validity);
  return bytes === 4
    ? wrongTime32(views, at, length, validity, rule.limit)
    : wrongTime64(views, at, length, validity, rule.limit);
}

function wrongTime32(views: Views, at: number, length: number, validity: Validity, limit: number): number {
  const first = at >>> 2;
  for (let index = 0; index < length; index++) {
    // A negative one is, without its sign, larger than any limit.
    if ((views.u32[first + index] as number) >= limit && !isNull(views, validity, index)) return index;
  }
  return -1;
}

function wrongTime64(views: Views, at: number, length: number, validity: Validity, limit: number): number {
  const { u32 } = views;
  const first = at >>> 2;
  for (let index = 0; index < length; index++) {
    const value = (u32[first + 2 * index + 1] as number) * WORD + (u32[first + 2 * index] as number);
    if (value >= limit && !isNull(views, validity, index)) return index;
  }
  return -1;
}

function wrongDays(views: Views, at: number, length: number, validity: Validity): number {
  const { u32, i32 } = views;
  const first = at >>> 2;
  for (let index = 0; index < length; index++) {
    const high = (i32[first + 2 * index + 1] as number) % DAY;
    // Below 2^53, so exact.
    const rest = (high * WORD_WITHOUT_DAYS + (u32[first + 2 * index] as number)) % DAY;
    if (rest !== 0 && !isNull(views, validity, index)) return index;
  }
  return -1;
}

/** As doubles, which are wrong by less than this part of the value; what is that close to the limit is compared exactly. */
const ROUNDING = 1e-9;

function wrongDecimal(
  views: Views,
  at: number,
  length: number,
  bytes: number,
  validity: Validity,
  precision: number,
): number {
  const words = bytes / 4;
  const limit = 10n ** BigInt(precision);
  const above = wordsOf(limit, words);
  const beneath = wordsOf(-limit, words);
  const surely = Number(limit) * (1 - ROUNDING);
  for (let index = 0; index < length; index++) {
    const first = (at >>> 2) + index * words;
    if (Math.abs(approximate(views, first, words)) < surely) continue;
    const negative = (views.i32[first + words - 1] as number) < 0;
    const order = compare(views.u32, first, negative ? beneath : above);
    if ((negative ? order <= 0 : order >= 0) && !isNull(views, validity, index)) return index;
  }
  return -1;
}

/** Of the words from `first`, lowest first, of which the last one has the sign. */
function approximate({ i32, u32 }: Views, first: number, words: number): number {
  let value = i32[first + words - 1] as number;
  for (let index = first + words - 2; index >= first; index--) value = value * WORD + (u32[index] as number);
  return value;
}

function wordsOf(value: bigint, words: number): Uint32Array {
  return Uint32Array.from({ length: words }, (_, index) => Number(BigInt.asUintN(32, value >> BigInt(32 * index))));
}

/** Less than 0, 0 or more, as the number at `first` is less than, equal to or more than the other one, of the same sign. */
function compare(u32: Uint32Array, first: number, other: Uint32Array): number {
  for (let index = other.length - 1; index >= 0; index--) {
    const difference = (u32[first + index] as number) - (other[index] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
