import type { GeneratedClass } from './shape-of-class.js';

/** A call of a method of a writer: what it was given, and which field of the message had been read last. */
export interface Call {
  readonly method: string;
  readonly argument: unknown;
  readonly field: string;
}

/** What is written for one field: behind its tag, up to the next one's. */
export interface Unit {
  readonly name: string;
  readonly number: number;
  readonly calls: readonly Call[];
}

/** No class has a field that would need as many. */
const MOST_CALLS = 100_000;

/** What `encode` of a generated class writes for a message in which the named fields are set, and the required ones are there. */
export function traceEncode(type: GeneratedClass, names: readonly string[]): Unit[] {
  const calls: Call[] = [];
  let field = '';
  const writer: object = new Proxy(
    {},
    {
      get: (_, method) => (argument: unknown) => {
        calls.push({ method: String(method), argument, field });
        if (calls.length > MOST_CALLS) throw new Error('its encode() does not end');
        return writer;
      },
    },
  );
  const set = sample();
  const message = new Proxy(Object.fromEntries(names.map((name) => [name, set])), {
    get: (target, name) => {
      if (typeof name === 'symbol' || name === '$unknowns') return undefined;
      field = name;
      return Object.hasOwn(target, name) ? set : NOTHING;
    },
  });
  type.encode(message, writer);
  return unitsOf(calls);
}

/** A message, list or map that is empty. */
const NOTHING: object = new Proxy(
  {},
  {
    get: (_, name) => (typeof name === 'symbol' ? undefined : name === 'length' ? 0 : NOTHING),
  },
);

/** Anything that is set: no default of any type, a Long, and a list, map or message with one member. */
function sample(): object {
  const hidden = Object.fromEntries(['length', 'low', 'high'].map((name) => [name, { value: 1 }]));
  return new Proxy(Object.defineProperties({ 0: NOTHING }, hidden), {
    get: (target, name) => {
      if (typeof name === 'symbol') return undefined;
      return Object.hasOwn(target, name) ? (target as Record<string, unknown>)[name] : NOTHING;
    },
  });
}

function unitsOf(calls: readonly Call[]): Unit[] {
  const units: Unit[] = [];
  for (let at = 0; at < calls.length;) {
    const tag = calls[at]?.argument;
    if (calls[at]?.method !== 'uint32' || typeof tag !== 'number') throw new Error('its encode() is not understood');
    if (tag % 8 === 3) throw new Error('it has a group, which is a form that is no longer used');
    const end = endOf(calls, at + 1);
    const written = calls.slice(at + 1, end);
    units.push({ name: written[0]?.field ?? '', number: Math.floor(tag / 8), calls: written });
    at = end;
  }
  return units;
}

/** Behind the call at `at`, or behind the `ldelim` that ends what its `fork` began. */
function endOf(calls: readonly Call[], at: number): number {
  let depth = 0;
  for (let index = at; index < calls.length; index++) {
    if (calls[index]?.method === 'fork') depth++;
    if (calls[index]?.method === 'ldelim') depth--;
    if (depth === 0) return index + 1;
  }
  throw new Error('its encode() does not end what it begins');
}
