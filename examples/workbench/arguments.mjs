// What both commands understand.
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const CACHE = join(import.meta.dirname, '.cache');

export function readArguments(options) {
  const { values, positionals } = parseArgs({
    options: { cache: { type: 'string' }, ...options },
    allowPositionals: true,
  });
  if (positionals.length > 1) throw new Error('one workflow at a time: its name, or the path of its file');
  return { ...values, workflow: positionals[0] ?? 'flights', cacheDirectory: values.cache ?? CACHE };
}
