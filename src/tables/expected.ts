import type { Field } from './field.js';
import type { Limits } from './limits.js';
import { quoted } from '../quoted.js';
import { Refusal } from './refusal.js';

const NOT_NULL = ' not null';
/** Differences that a message names. */
const SHOWN = 10;
/** Characters of a type in a message. */
const LONGEST_TYPE = 200;

/** Columns against those that the app expects, by name. */
export function compareColumns(fields: readonly Field[], expected: NonNullable<Limits['schema']>): void {
  const wanted = new Map(expected.map(([name, type]) => [name, withoutNotNull(type)]));
  const differences: string[] = [];
  const seen = new Set<string>();
  for (const { name, text } of fields) {
    const type = wanted.get(name);
    if (type === undefined) differences.push(`${quoted(name)} (${quoted(text, LONGEST_TYPE)}) was not expected`);
    else if (seen.has(name)) differences.push(`${quoted(name)} is there twice`);
    else if (type !== text)
      differences.push(`${quoted(name)} is ${quoted(text, LONGEST_TYPE)} instead of ${quoted(type, LONGEST_TYPE)}`);
    seen.add(name);
  }
  for (const [name, type] of wanted) {
    if (!seen.has(name)) differences.push(`${quoted(name)} (${quoted(type, LONGEST_TYPE)}) is missing`);
  }
  if (differences.length === 0) return;
  const more = differences.length > SHOWN ? [`and ${differences.length - SHOWN} more`] : [];
  throw new Refusal('schema', [...differences.slice(0, SHOWN), ...more].join('; '));
}

/** Columns in which the app expects no null. That is counted, whatever the file says of them. */
export function columnsWithoutNulls(expected: Limits['schema']): ReadonlySet<string> {
  return new Set(expected?.filter(([, type]) => type.endsWith(NOT_NULL)).map(([name]) => name));
}

function withoutNotNull(type: string): string {
  return type.endsWith(NOT_NULL) ? type.slice(0, -NOT_NULL.length) : type;
}
