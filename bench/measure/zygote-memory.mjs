import { setTimeout as sleep } from 'node:timers/promises';
import { descendants, memoryOf } from '../observe/processes.mjs';

/** Bytes that only it has, of the largest of what waits below a zygote: a process two pid namespaces down that has no children. */
export async function memoryOfParked() {
  await sleep(1000);
  const all = descendants();
  const parents = new Set(all.map(({ parent }) => parent));
  const waiting = all.filter(({ pid, name, depth }) => depth > 4 && !parents.has(pid) && !name.startsWith('sandbox'));
  return Math.max(...waiting.map(({ pid }) => memoryOf(pid)?.own ?? NaN));
}
