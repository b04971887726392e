import { SandboxError } from '../errors.js';
import { show } from '../show.js';
import { nearest } from './did-you-mean.js';

/** An option that cannot be accepted. `option` is its full path, such as `limits.memory`. */
export function invalidOption(option: string, problem: string): SandboxError {
  return new SandboxError('ERR_INVALID_OPTION', `${option} ${problem}.`);
}

/** A plain object with known keys only; `undefined` counts as empty. */
export function expectObject(
  value: unknown,
  option: string,
  keys: readonly string[],
): Readonly<Record<string, unknown>> {
  if (value === undefined) return {};
  const given = expectRecord(value, option);
  for (const key of Object.keys(given)) {
    if (!keys.includes(key)) throw unknownOption(option, key, keys);
  }
  return given;
}

/** An object with keys of the app's own choice. */
export function expectRecord(value: unknown, option: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidOption(option, `must be an object, and is ${show(value)}`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function unknownOption(option: string, key: string, keys: readonly string[]): SandboxError {
  const name = option === 'options' ? key : `${option}.${key}`;
  const near = nearest(key, keys);
  const hint = near === undefined ? `Known are: ${keys.join(', ')}` : `Did you mean '${near}'?`;
  return new SandboxError('ERR_INVALID_OPTION', `Unknown option '${name}'. ${hint}`);
}

export function expectArray(value: unknown, option: string): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalidOption(option, `must be an array, and is ${show(value)}`);
  return value as readonly unknown[];
}

/** Text for the operating system: not empty unless allowed, and without NUL. */
export function expectText(
  value: unknown,
  option: string,
  { empty = false }: { readonly empty?: boolean } = {},
): string {
  if (typeof value !== 'string') throw invalidOption(option, `must be a string, and is ${show(value)}`);
  if (value === '' && !empty) throw invalidOption(option, 'must not be empty');
  if (value.includes('\0')) throw invalidOption(option, 'must not contain a NUL character');
  return value;
}

/** A whole number within bounds, both included. */
export function expectInteger(value: unknown, option: string, lowest: number, highest: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < lowest || value > highest) {
    throw invalidOption(option, `must be a whole number from ${lowest} to ${highest}, and is ${show(value)}`);
  }
  return value;
}

/** One of a few words. */
export function expectOneOf<T extends string>(value: unknown, option: string, words: readonly T[]): T {
  if (typeof value === 'string' && (words as readonly string[]).includes(value)) return value as T;
  const near = typeof value === 'string' ? nearest(value, words) : undefined;
  const hint = near === undefined ? '' : `; did you mean '${near}'?`;
  throw invalidOption(
    option,
    `must be one of ${words.map((word) => `'${word}'`).join(', ')}, and is ${show(value)}${hint}`,
  );
}
