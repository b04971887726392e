// When things happened, in milliseconds since the run began.

export function startClock() {
  const origin = performance.now();
  return () => performance.now() - origin;
}

/**
 * One sandbox from the call to the checked result, as consecutive phases. `usage` is the library's own measure of the queue and of the
 * run; the calls and answers are ours; what lies between is the rest: making or forking the sandbox before it, checking after it.
 */
export function phasesOf({ called, ended, checked }, { queueTimeMs, wallTimeMs }) {
  const queued = Math.min(called + queueTimeMs, ended);
  const released = Math.max(queued, ended - wallTimeMs);
  const phases = [
    { name: 'queue', start: called, end: queued },
    { name: 'fork', start: queued, end: released },
    { name: 'run', start: released, end: ended },
  ];
  return checked === undefined ? phases : [...phases, { name: 'check', start: ended, end: checked }];
}

/** @returns milliseconds by name of phase */
export function timesOf(phases) {
  const times = {};
  for (const { name, start, end } of phases) times[name] = (times[name] ?? 0) + end - start;
  return times;
}
