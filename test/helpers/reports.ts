/**
 * How what init and a step say to the spawner lies in memory (struct report in native/sandbox/internal.h), for those who forge it: what has another length
 * is not even looked at. `test/native/protocol.test.ts` compares.
 */
export const REPORT = {
  failure: 64,
  size: 336,
} as const;

/** Python: what `head`, bytes, is the beginning of, followed by a failure of this beginning. */
export function reportOf(head: string, failure = "b''"): string {
  return `(${head}.ljust(${REPORT.failure}, b'\\0') + ${failure}).ljust(${REPORT.size}, b'\\0')`;
}
