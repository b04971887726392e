/** A shell command that takes memory without end: what `tail` has not seen the end of a line of, it keeps. */
export const HOG = 'tail /dev/zero';

/** A shell command that holds about so many bytes and then ends well. */
export function hold(megabytes: number): string {
  return `head -c ${megabytes * 1024 * 1024} /dev/zero | tail -n 1 | wc -c`;
}
