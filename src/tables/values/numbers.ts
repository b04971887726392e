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
  const first = at / 4;
  for (let index = 0; index < length; index++) {
    // A negative one is, without its sign, larger than any limit.
    if ((views.u32[first + index] as number) >= limit && !isNull(views, validity, index)) return index;
  }
  return -1;
}

function wrongTime64(views: Views, at: number, length: number, validity: Validity, limit: number): number {
  const { u32 } = views;
  const first = at / 4;
  for (let index = 0; index < length; index++) {
    const value = (u32[first + 2 * index + 1] as number) * WORD + (u32[first + 2 * index] as number);
    if (value >= limit && !isNull(views, validity, index)) return index;
  }
  return -1;
}

function wrongDays(views: Views, at: number, length: number, validity: Validity): number {
  const { u32, i32 } = views;
  const first = at / 4;
  for (let index = 0; index < length; index++) {
    const high = (i32[first + 2 * index + 1] as number) % DAY;
    // Below 2^53, so exact.
    const rest = (high * WORD_WITHOUT_DAYS + (u32[first + 2 * index] as number)) % DAY;
    if (rest !== 0 && !isNull(views, validity, index)) return index;
  }
  return -1;
}

/** As doubles, which are wrong by less than this part of the value; what is that close to the limit is calculated exactly. */
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
  const limit = 10 ** precision;
  const surely = limit * (1 - ROUNDING);
  for (let index = 0; index < length; index++) {
    const last = at / 4 + (index + 1) * words - 1;
    const size = Math.abs(approximate(views, last, words));
    if (size < surely) continue;
    const fits = size <= limit * (1 + ROUNDING) && fitsExactly(views, last, words, precision);
    if (!fits && !isNull(views, validity, index)) return index;
  }
  return -1;
}

/** From the word at `last`, which has the sign, down. */
function approximate({ i32, u32 }: Views, last: number, words: number): number {
  let value = i32[last] as number;
  for (let index = last - 1; index > last - words; index--) value = value * WORD + (u32[index] as number);
  return value;
}

function fitsExactly({ i32, u32 }: Views, last: number, words: number, precision: number): boolean {
  let value = BigInt(i32[last] as number);
  for (let index = last - 1; index > last - words; index--) value = (value << 32n) | BigInt(u32[index] as number);
  const limit = 10n ** BigInt(precision);
  return -limit < value && value < limit;
}
