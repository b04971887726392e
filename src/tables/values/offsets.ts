import type { Views } from '../views.js';

/**
 * The first of `count` offsets at `at` that is negative, falls, or lies beyond `end`; -1 if none does. Of 64 bits the upper half
 * must be 0, for nothing in a file that this library reads lies so far from anything else.
 */
export function wrongOffset(views: Views, at: number, count: number, end: number, wide: boolean): number {
  return wide ? wrongWide(views.u32, at / 4, count, end) : wrongNarrow(views.i32, at / 4, count, end);
}

function wrongNarrow(i32: Int32Array, first: number, count: number, end: number): number {
  let previous = 0;
  for (let index = first; index < first + count; index++) {
    const offset = i32[index] as number;
    if (offset < previous) return index - first;
    previous = offset;
  }
  return previous > end ? count - 1 : -1;
}

function wrongWide(u32: Uint32Array, first: number, count: number, end: number): number {
  let previous = 0;
  for (let index = first; index < first + 2 * count; index += 2) {
    const offset = u32[index] as number;
    if (offset < previous || u32[index + 1] !== 0) return (index - first) / 2;
    previous = offset;
  }
  return previous > end ? count - 1 : -1;
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
