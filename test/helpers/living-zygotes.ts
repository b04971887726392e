import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type Sandbox, type StepResult, type Zygote, type ZygoteOptions } from 'spawn-sandbox';
import { hostPython } from './python-installations.js';
import { until } from './until.js';
import { warmPython } from './warm.js';
import { readProc, warmProcesses } from './zygote-processes.js';

/** Each process that preloads adds a byte, and keeps how many there were: that of a job that started warm is there before it is asked for. */
export const COUNT_BOOTS = `
import os
boots = os.open("/tmp/boots", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(boots, b"x")
os.close(boots)
`;

/** A Python that every sandbox shows. Where it first preloads there is nothing to count with. */
export function countingPython(
  context: Pick<TestContext, 'after'>,
  options: Partial<ZygoteOptions> = {},
): Promise<Zygote> {
  const { preloadCode = '', ...others } = options;
  return warmPython(context, { interpreter: hostPython(), preloadCode: COUNT_BOOTS + preloadCode, ...others });
}

export async function boots(sandbox: Sandbox): Promise<number> {
  const { stdout } = await sandbox.spawn('sh', ['-c', 'cat /tmp/boots 2>/dev/null | wc -c']);
  return Number(stdout);
}

export async function untilBooted(sandbox: Sandbox, count: number): Promise<void> {
  await until(`${count} have booted`, async () => (await boots(sandbox)) === count, { every: 50 });
}

export async function said(step: PromiseLike<StepResult>): Promise<string> {
  const { ok, stdout, stderr, detail } = await step;
  assert.ok(ok, `${detail}\n${String(stderr)}`);
  return String(stdout).trim();
}

/** The processes of runtimes in living sandboxes, seen from the host: their parents are keepers, and not the init of a sandbox, wherever that lies. */
export function copies(): readonly number[] {
  return warmProcesses().flatMap(({ pid }) => (/^NSpid:.*\t1$/m.test(statusOf(parentOf(pid))) ? [] : [pid]));
}

/** As the host sees it; 0 when there is no such process any more. */
export function parentOf(pid: number): number {
  return Number(/^PPid:\t(\d+)$/m.exec(statusOf(pid))?.[1] ?? 0);
}

function statusOf(pid: number): string {
  return readProc(pid, 'status');
}

/** A sandbox without a command keeps no app alive. */
export async function untilEnded(sandbox: Sandbox): Promise<string> {
  const alive = setInterval(() => undefined, 1000);
  const { cause } = await sandbox.ended;
  clearInterval(alive);
  return cause;
}

export { living } from './living.js';
