import type { Views } from '../views.js';

/** What is wrong with the ends of runs that cover `length` values, in words; empty if nothing is. */
export function wrongRuns(views: Views, at: number, count: number, bytes: number, length: number): string {
  const { i16, i32, u32 } = views;
  let previous = 0;
  for (let index = 0; index < count; index++) {
    let end: number;
    if (bytes === 2) end = i16[at / 2 + index] as number;
    else if (bytes === 4) end = i32[at / 4 + index] as number;
    else end = (i32[at / 4 + 2 * index + 1] as number) * 2 ** 32 + (u32[at / 4 + 2 * index] as number);
    if (end <= previous) return `run ${index} ends at ${end}, and the one before it at ${previous}`;
    previous = end;
  }
  return previous < length ? `its runs end at ${previous}, and it has ${length} values` : '';
}
