import { readFileSync } from 'node:fs';
import { descendantsOf, spawnersOf } from './marked-processes.js';
import { until } from './until.js';

/** A zygote of this app or one of its steps, seen from the host. */
export interface WarmProcess {
  readonly pid: number;
  /** It is the one that forks. */
  readonly zygote: boolean;
}

const PYTHON = '/.zygote/zygote.py';

/** Those whose command line contains `program`. */
export function warmProcesses(program = PYTHON): readonly WarmProcess[] {
  return spawnersOf(process.pid)
    .flatMap((spawner) => descendantsOf(spawner))
    .filter(({ pid }) => readProc(pid, 'cmdline').includes(program))
    .map(({ pid }) => ({ pid, zygote: depth(pid) === 2 }));
}

/** How many pid namespaces below ours it is in. */
function depth(pid: number): number {
  const line = /^NSpid:(.*)$/m.exec(readProc(pid, 'status'))?.[1] ?? '';
  return line.trim().split(/\s+/).length;
}

export function zygotes(program = PYTHON): readonly number[] {
  return warmProcesses(program).flatMap(({ pid, zygote }) => (zygote ? [pid] : []));
}

/** The only zygote there is, once it is there. */
export async function theZygote(program = PYTHON): Promise<number> {
  await until('there is one zygote', () => zygotes(program).length === 1);
  return zygotes(program)[0] ?? 0;
}

/** Nothing when the process has ended meanwhile. */
export function readProc(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
