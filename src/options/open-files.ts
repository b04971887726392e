import { readFileSync } from 'node:fs';

let known: number | undefined;

/** Above it the default could not be set where the app has no right to raise limits. `Infinity` where it cannot be told. */
export function hardLimitOfOpenFiles(): number {
  known ??= read();
  return known;
}

function read(): number {
  try {
    const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return hard === undefined ? Infinity : Number(hard);
  } catch {
    return Infinity;
  }
}
