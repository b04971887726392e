import type { Duration } from '../units.js';
import { parseDuration } from '../units.js';
import { isPolite, signalName, signalNumber } from './signals.js';

/** `kill()` in the spawner's terms. Cause `exit`: only deliver the signal. */
export interface KillRequest {
  readonly cause: 'killed' | 'exit';
  readonly signal: number;
  readonly graceMs: number;
}

export function killRequest(signal: NodeJS.Signals, grace: Duration | undefined, killGrace: number): KillRequest {
  const number = signalNumber(signal);
  const name = signalName(number);
  if (name === 'SIGKILL') return { cause: 'killed', signal: number, graceMs: 0 };
  const given = grace === undefined ? undefined : parseDuration(grace, 'grace');
  if (given === undefined && !isPolite(name)) return { cause: 'exit', signal: number, graceMs: 0 };
  return { cause: 'killed', signal: number, graceMs: onWire(given ?? killGrace) };
}

/** 0 stands for "never" on the wire; at once is a millisecond. */
function onWire(grace: number): number {
  return grace === Infinity ? 0 : Math.max(1, grace);
}
