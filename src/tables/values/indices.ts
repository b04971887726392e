import type { Dictionary } from '../field.js';
import type { Views } from '../views.js';
import { isNull, type Validity } from './bitmap.js';

/** The first index, not null, that a dictionary of `count` values does not have; -1 if there is none. */
export function wrongIndex(
  views: Views,
  at: number,
  length: number,
  { indexBytes, indexSigned }: Dictionary,
  validity: Validity,
  count: number,
): number {
  // A negative one is, without its sign, at least so large.
  const limit = Math.min(count, indexSigned ? 2 ** (8 * indexBytes - 1) : count);
  if (indexBytes === 8) return wrongWide(views, at >>> 2, length, validity, limit);
  const numbers = indexBytes === 1 ? views.u8 : indexBytes === 2 ? views.u16 : views.u32;
  const first = at / indexBytes;
  return wrongIn(views, numbers.subarray(first, first + length), validity, limit);
}

function wrongIn(
  views: Views,
  numbers: Uint8Array | Uint16Array | Uint32Array,
  validity: Validity,
  limit: number,
): number {
  for (let index = 0; index < numbers.length; index++) {
    if ((numbers[index] as number) >= limit && !isNull(views, validity, index)) return index;
  }
  return -1;
}

function wrongWide(views: Views, first: number, length: number, validity: Validity, limit: number): number {
  const { u32 } = views;
  for (let index = 0; index < length; index++) {
    const wrong = u32[first + 2 * index + 1] !== 0 || (u32[first + 2 * index] as number) >= limit;
    if (wrong && !isNull(views, validity, index)) return index;
  }
  return -1;
}
