/**
 * Text that two values share only if they are equal as options. It stands in for resolving them again: some
 * microseconds instead of a hundred. Types are part of it, so that `'1'`, `1` and `true` differ.
 */
export function keyOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value)
        ? `[${value.map(keyOf).join()}]`
        : keyOfObject(value as Readonly<Record<string, unknown>>);
    case 'undefined':
      return 'u';
    default:
      return `${typeof value}:${String(value)}`;
  }
}

function keyOfObject(value: Readonly<Record<string, unknown>>): string {
  let key = '{';
  for (const name of Object.keys(value)) key += `${JSON.stringify(name)}${keyOf(value[name])},`;
  return key + '}';
}
