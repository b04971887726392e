import { show } from '../show.js';
import { invalidOption } from './check.js';

/** The option `signal`, which belongs to one step. */
export function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw invalidOption('signal', `must be an AbortSignal, and is ${show(signal)}`);
}
