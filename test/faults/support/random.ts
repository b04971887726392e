/** Numbers from 0 to below 1 that a seed decides, so that what went wrong can be done again. */
export type Random = () => number;

/** `FAULT_SEED`, or one that nobody has chosen. */
export function chooseSeed(): number {
  return Number(process.env['FAULT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
}

/** Mulberry32: 32 bits of state, enough to choose by. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
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
