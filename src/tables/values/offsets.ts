import type { Views } from '../views.js';

/**
 * The first of `count` offsets at `at` that is negative, falls, or lies beyond `end`; -1 if none does. Of 64 bits the upper half
 * must be 0, for nothing in a file that this library reads lies so far from anything else.
 */
export function wrongOffset(views: Views, at: number, count: number, end: number, wide: boolean): number {
  return wide ? wrongWide(views.u32, at / 4, count, end) : wrongNarrow(views.i32, at / 4, count, end);
}

function wrongNarrow(i32: Int32Array, first: number, count: number, end: number): number {
  const offsets = i32.subarray(first, first + count);
  let index = risingNarrow(offsets);
  let previous = index === 0 ? 0 : (offsets[index - 1] as number);
  for (; index < offsets.length; index++) {
    const offset = offsets[index] as number;
    if (offset < previous) return index;
    previous = offset;
  }
  return previous > end ? count - 1 : -1;
}

/** How many, a multiple of four, surely rise: by one branch for four of them, which is three times as fast. */
function risingNarrow(offsets: Int32Array): number {
  const last = offsets.length - 4;
  let previous = 0;
  let index = 0;
  for (; index <= last; index += 4) {
    const a = offsets[index] as number;
    const b = offsets[index + 1] as number;
    const c = offsets[index + 2] as number;
    const d = offsets[index + 3] as number;
    // Negative if one of them is, or if one of the differences is, which without negative numbers do not overflow.
    if ((a | b | c | d | (a - previous) | (b - a) | (c - b) | (d - c)) < 0) break;
    previous = d;
  }
  return index;
}

function wrongWide(u32: Uint32Array, first: number, count: number, end: number): number {
  const offsets = u32.subarray(first, first + 2 * count);
  let index = risingWide(offsets);
  let previous = index === 0 ? 0 : (offsets[index - 2] as number);
  for (; index < offsets.length; index += 2) {
    const offset = offsets[index] as number;
    if (offset < previous || offsets[index + 1] !== 0) return index / 2;
    previous = offset;
  }
  return previous > end ? count - 1 : -1;
}

/** The same for pairs of halves, as long as the lower ones have 31 bits. Answers the number of halves. */
function risingWide(halves: Uint32Array): number {
  const offsets = new Int32Array(halves.buffer, halves.byteOffset, halves.length);
  const last = offsets.length - 4;
  let previous = 0;
  let index = 0;
  for (; index <= last; index += 4) {
    const a = offsets[index] as number;
    const b = offsets[index + 2] as number;
    if ((offsets[index + 1] as number) !== 0 || (offsets[index + 3] as number) !== 0) break;
    if ((a | b | (a - previous) | (b - a)) < 0) break;
    previous = b;
  }
  return index;
}

/** One offset that was checked. */
export function offsetAt({ u32 }: Views, at: number, index: number, wide: boolean): number {
  return u32[at / 4 + (wide ? 2 * index : index)] as number;
}

/** The first list, null or not, that is not within `end` values; -1 if all are. */
export function wrongListView(
  { i32 }: Views,
  offsets: number,
  sizes: number,
  length: number,
  end: number,
  wide: boolean,
): number {
  const step = wide ? 2 : 1;
  for (let index = 0; index < length; index++) {
    const offset = numberAt(i32, offsets / 4 + index * step, wide);
    const size = numberAt(i32, sizes / 4 + index * step, wide);
    if (offset < 0 || size < 0 || offset > end || size > end - offset) return index;
  }
  return -1;
}

function numberAt(i32: Int32Array, index: number, wide: boolean): number {
  const low = i32[index] as number;
  return wide ? (i32[index + 1] as number) * 2 ** 32 + (low >>> 0) : low;
}
