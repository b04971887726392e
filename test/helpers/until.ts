import { setTimeout as pause } from 'node:timers/promises';

/**
 * Asks again and again until the answer is yes, for what no event tells. Fails the test after `within` milliseconds.
 *
 * @param what completes "waited in vain until ..."
 */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  { within = 10_000, every = 10 }: { readonly within?: number; readonly every?: number } = {},
): Promise<void> {
  const deadline = performance.now() + within;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ${within} ms in vain until ${what}`);
    await pause(every);
  }
}
