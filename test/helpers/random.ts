/** Numbers from 0 to below 1. */
export type Random = () => number;

/** Those that are the same for the same seed, so that what went wrong can be done again. Mulberry32: 32 bits of state, enough to choose by. */
export function randomNumbers(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function integer(random: Random, below: number): number {
  return Math.floor(random() * below);
}

export function pick<T>(random: Random, from: readonly T[]): T | undefined {
  return from[integer(random, from.length)];
}
