import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from './check.js';

/** The end of a command and of what it has started need not be the same moment. */
const MOMENT_MS = 1_000;
const LOOK_MS = 50;
/** One that is another process each moment is not met by every look. */
const LOOKS_IN_VAIN = 6;

/** Whether somebody of this name is still there a moment later; whoever it is is ended then. */
export async function lookWhoStayed(name: string): Promise<Answer> {
  let left: number[] = [];
  for (let waited = 0, unseen = 0; waited < MOMENT_MS; waited += LOOK_MS) {
    const now = called(name);
    if (now.length > 0) left = now;
    unseen = now.length > 0 ? 0 : unseen + 1;
    if (unseen === LOOKS_IN_VAIN) return { kind: 'error', errno: 3, text: 'nobody is left' };
    await sleep(LOOK_MS);
  }
  await endAll(name);
  return { kind: 'reached', text: `process ${left.join(', ')} is still there` };
}

/** One that is another process each moment is met when it has come to rest, or has ended by itself. */
async function endAll(name: string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    const left = called(name);
    if (left.length === 0) return;
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // it has ended meanwhile
      }
    }
    await sleep(tries < 200 ? 1 : LOOK_MS);
  }
}

/** By the first word of their command lines, which only those that we have started have. */
function called(name: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && firstWord(entry) === name)
    .map(Number);
}

function firstWord(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? '';
  } catch {
    return '';
  }
}
