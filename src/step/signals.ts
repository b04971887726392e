import { constants } from 'node:os';
import { invalidOption } from '../options/check.js';
import { show } from '../show.js';

/** Signals that ask a program to end, and that it may take its time for. */
const POLITE: ReadonlySet<string> = new Set(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']);

const NAMES = new Map<number, NodeJS.Signals>();
for (const [name, number] of Object.entries(constants.signals)) {
  // SIGIOT and SIGPOLL are second names; the first one stands.
  if (!NAMES.has(number)) NAMES.set(number, name as NodeJS.Signals);
}

/** A real-time signal has no name in Node; `SIG40` still says which it was. */
export function signalName(number: number): NodeJS.Signals {
  return NAMES.get(number) ?? (`SIG${number}` as NodeJS.Signals);
}

export function signalNumber(signal: unknown): number {
  const number =
    typeof signal === 'string' ? (constants.signals as Record<string, number | undefined>)[signal] : undefined;
  if (number === undefined)
    throw invalidOption('signal', `must be the name of a signal such as 'SIGTERM', and is ${show(signal)}`);
  return number;
}

export function isPolite(signal: string): boolean {
  return POLITE.has(signal);
}
