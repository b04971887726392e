import { readFileSync } from 'node:fs';

/** Of this process. Node's own way to ask changes it for a moment, for all threads. */
export function umask(): number {
  return Number.parseInt(/^Umask:\t([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '', 8);
}
