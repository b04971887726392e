// What the report calls things.

export const STATES = { done: 'computed', cached: 'from cache', failed: 'failed', skipped: 'skipped' };

const CAUSES = {
  oom: 'out of memory',
  wallTimeout: 'out of time',
  cpuTimeout: 'out of processor time',
  idleTimeout: 'silent for too long',
  outputLimit: 'printed too much',
  invalidOutput: 'invalid output',
  signal: 'crashed',
  seccomp: 'forbidden system call',
};

/** How a step failed, in two or three words. */
export function troubleOf({ cause, status, failure }) {
  if (failure !== undefined) return `threw ${failure.type}`;
  if (cause === 'exit') return `exited with status ${status}`;
  return CAUSES[cause] ?? cause;
}

export const idOf = (step) => `step-${step.name}`;
