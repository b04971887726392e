import { SandboxError } from './errors.js';
import { show } from './show.js';

/** A number of bytes, or text such as `'64MiB'`, `'1.5GiB'` or `'10MB'`. `Infinity` lifts a limit. */
export type Size = number | string;

/** A number of milliseconds, or text such as `'500ms'`, `'2s'`, `'1m'` or `'1h'`. `Infinity` lifts a limit. */
export type Duration = number | string;

interface Scale {
  readonly what: string;
  readonly examples: string;
  readonly units: Readonly<Record<string, number>>;
  /** Units that people write and that mean two things. */
  readonly ambiguous: Readonly<Record<string, string>>;
}

const SIZES: Scale = {
  what: 'a size',
  examples: "a number of bytes, or text such as '64MiB' or '1.5GB'",
  units: {
    B: 1,
    kB: 1e3,
    KB: 1e3,
    MB: 1e6,
    GB: 1e9,
    TB: 1e12,
    KiB: 2 ** 10,
    MiB: 2 ** 20,
    GiB: 2 ** 30,
    TiB: 2 ** 40,
  },
  ambiguous: { k: 'KiB', K: 'KiB', m: 'MiB', M: 'MiB', G: 'GiB', T: 'TiB' },
};

const DURATIONS: Scale = {
  what: 'a duration',
  examples: "a number of milliseconds, or text such as '500ms', '2s' or '1m'",
  units: { ms: 1, s: 1e3, m: 60e3, min: 60e3, h: 3600e3 },
  ambiguous: { sec: 's', M: 'm' },
};

/** Bytes, a whole number or `Infinity`. `option` names the option in the message. */
export function parseSize(value: unknown, option: string): number {
  return parse(value, option, SIZES);
}

/** Milliseconds, a whole number or `Infinity`; what is longer than nothing is at least one. */
export function parseDuration(value: unknown, option: string): number {
  return parse(value, option, DURATIONS);
}

function parse(value: unknown, option: string, scale: Scale): number {
  const amount = typeof value === 'string' ? parseText(value, option, scale) : value;
  if (typeof amount !== 'number' || Number.isNaN(amount)) {
    throw invalid(option, `must be ${scale.examples}`, value);
  }
  if (amount < 0) throw invalid(option, 'must not be negative', value);
  if (amount === Infinity) return amount;
  if (amount > Number.MAX_SAFE_INTEGER) throw invalid(option, 'is too large; Infinity lifts a limit', value);
  return amount > 0 && amount < 1 ? 1 : Math.floor(amount);
}

function parseText(text: string, option: string, scale: Scale): number {
  if (text === 'Infinity') return Infinity;
  const match = /^(\d+(?:\.\d+)?)\s?([A-Za-z]*)$/.exec(text);
  if (match === null) throw invalid(option, `must be ${scale.examples}`, text);
  const [, digits = '', unit = ''] = match;
  const factor = unit === '' ? 1 : Object.hasOwn(scale.units, unit) ? scale.units[unit] : undefined;
  if (factor === undefined) throw unknownUnit(option, text, digits, unit, scale);
  return Number(digits) * factor;
}

function unknownUnit(option: string, text: string, digits: string, unit: string, scale: Scale): SandboxError {
  const meant = Object.hasOwn(scale.ambiguous, unit) ? scale.ambiguous[unit] : undefined;
  const hint =
    meant === undefined ? `must be ${scale.examples}` : `has no unit '${unit}'; did you mean '${digits}${meant}'?`;
  return invalid(option, hint, text);
}

function invalid(option: string, problem: string, value: unknown): SandboxError {
  return new SandboxError('ERR_INVALID_OPTION', `${option} ${problem}. Got: ${show(value)}.`);
}

/** Bytes for people, in the largest binary unit that keeps at most one decimal: `256 MiB`, `1.5 GiB`, `1000 bytes`. */
export function formatSize(bytes: number): string {
  const units = ['GiB', 'MiB', 'KiB'] as const;
  for (const [index, unit] of units.entries()) {
    const amount = bytes / 2 ** (30 - 10 * index);
    if (amount >= 1 && Number.isInteger(amount * 10)) return `${amount} ${unit}`;
  }
  return bytes === 1 ? '1 byte' : `${bytes} bytes`;
}

/** Milliseconds for people: `1.5 s`, `250 ms`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${round(milliseconds / 1000)} s`;
  return `${round(milliseconds / 60_000)} min`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
