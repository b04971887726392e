import type { Views } from '../views.js';

/** Where the bitmap begins in the file; -1 where no value is null. */
export type Validity = number;
export const ALL_VALID = -1;

export function isNull({ u8 }: Views, validity: Validity, index: number): boolean {
  if (validity === ALL_VALID) return false;
  return (((u8[validity + (index >>> 3)] as number) >>> (index & 7)) & 1) === 0;
}

/** Bits that are 0 among the first `length` of the bitmap at `at`, a multiple of 8 that whole words can be read from. */
export function countNulls({ u32 }: Views, at: number, length: number): number {
  const first = at / 4;
  const words = Math.floor(length / 32);
  let ones = 0;
  for (let index = first; index < first + words; index++) ones += ones32(u32[index] as number);
  const rest = length % 32;
  if (rest > 0) ones += ones32((u32[first + words] as number) & ((1 << rest) - 1));
  return length - ones;
}

function ones32(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return (((bits + (bits >>> 4)) & 0x0f0f_0f0f) * 0x0101_0101) >>> 24;
}
