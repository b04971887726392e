import type { Check } from '../check.js';
import { refused } from '../judge.js';

/** By operation of `native/selftest/stays.c`; its answer is replaced by what is still there. */
const WAYS: Readonly<Record<string, string>> = {
  daemon: 'outlives its command as a daemon',
  'deaf-daemon': 'outlives its command as a daemon that ignores signals',
  'stopped-daemon': 'outlives its command while it is stopped',
  'hopping-daemon': 'outlives its command as another process each moment',
  'slow-daemon': 'outlives its command at the lowest priority',
  'holds-output': 'outlives its command and keeps its output open',
};

export const STAYING: readonly Check[] = Object.entries(WAYS).map(([id, title]) => ({
  group: 'staying',
  id,
  title,
  // Another name than the bait's, which lives on.
  operation: ({ token }) => [id, stayingName(token)],
  judge: refused,
  alone: true,
}));

export function stayingName(token: string): string {
  return `stays-${token}`;
}
