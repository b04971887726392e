import { invalidOption } from '../../options/check.js';
import { checkSignal } from '../../options/signal.js';
import { show } from '../../show.js';
import { parseDuration, parseSize } from '../../units.js';
import type { OperationOptions } from './operation.js';

const DEFAULT_TIMEOUT = 60_000;
const LONGEST_PATH = 4095;
const NUL = 0;
const SLASH = 0x2f;

type Given = Readonly<Record<string, unknown>>;

export function operationOptions(given: Given, fallback = DEFAULT_TIMEOUT): OperationOptions {
  const timeout = given['timeout'] === undefined ? fallback : parseDuration(given['timeout'], 'timeout');
  if (timeout < 1) throw invalidOption('timeout', 'must be more than 0');
  return { timeout, signal: checkSignal(given['signal']) };
}

export function sizeOption(given: Given, fallback: number): number {
  return given['limit'] === undefined ? fallback : parseSize(given['limit'], 'limit');
}

export function flagOption(given: Given, name: string, fallback = false): boolean {
  const value = given[name] ?? fallback;
  if (typeof value !== 'boolean') throw invalidOption(name, `must be true or false, and is ${show(value)}`);
  return value;
}

/** As a word of a request: 2^63 is more than there can be. */
export function onWire(limit: number): string {
  return limit === Infinity ? '9223372036854775807' : String(limit);
}

/** Absolute, as bytes. What it means is decided inside. */
export function pathOf(path: unknown, cwd: string): Buffer {
  if (typeof path !== 'string' && !(path instanceof Uint8Array)) {
    throw invalidOption('path', `must be a string or bytes, and is ${show(path)}`);
  }
  const bytes = Buffer.from(path as string);
  if (bytes.length === 0) throw invalidOption('path', 'must not be empty');
  if (bytes.includes(NUL)) throw invalidOption('path', 'must not contain a NUL character');
  const absolute = bytes[0] === SLASH ? bytes : Buffer.concat([Buffer.from(`${cwd}/`), bytes]);
  if (absolute.length > LONGEST_PATH) throw invalidOption('path', `must not be longer than ${LONGEST_PATH} bytes`);
  return absolute;
}
