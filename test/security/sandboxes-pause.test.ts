// What is to stand still does all it can to go on.
import assert from 'node:assert/strict';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Sandbox, SandboxError } from 'spawn-sandbox';
import { living, python, speaking } from '../helpers/living.js';

/** Processes that wake each other all the time. */
const WAKERS = `
import os, signal
pids = []
for _ in range(4):
  pid = os.fork()
  if pid == 0:
    os.setsid()
    while True:
      try: os.kill(-1, signal.SIGCONT)
      except OSError: pass
print(1, flush=True)
signal.pause()
`;

/** Each forks the next and is gone. */
const FLEES = `
import os
print(1, flush=True)
if os.fork() == 0:
  os.setsid()
  while True:
    if os.fork(): os._exit(0)
os.wait()
import time
time.sleep(1000)
`;

async function cpuTime(sandbox: Sandbox): Promise<number> {
  const { userCpuMs = 0, systemCpuMs = 0 } = await sandbox.usage();
  return userCpuMs + systemCpuMs;
}

async function used(sandbox: Sandbox): Promise<number> {
  const before = await cpuTime(sandbox);
  await delay(300);
  return (await cpuTime(sandbox)) - before;
}

async function hasFreezer(sandbox: Sandbox): Promise<boolean> {
  await sandbox.pause();
  const how = sandbox.paused;
  await sandbox.resume();
  return how === 'frozen';
}

/** It stands still; where there is no freezer the app may be told that it does not. */
async function pauseOf(context: TestContext, code: string): Promise<void> {
  const sandbox = await living(context, { limits: { processes: 32 } });
  const freezer = await hasFreezer(sandbox);
  const { step } = await speaking(python(sandbox, code));
  const free = await used(sandbox);
  for (let round = 0; round < 3; round++) {
    const refused = await sandbox.pause().then(
      () => undefined,
      (error: unknown) => error as SandboxError,
    );
    if (refused === undefined) {
      assert.ok((await used(sandbox)) < 15, 'it stands still');
    } else {
      assert.deepEqual([refused.code, freezer], ['ERR_SANDBOX_PAUSE', false]);
      assert.equal(sandbox.paused, false);
      context.diagnostic('by signals, and told that it was not possible');
    }
    await sandbox.resume();
  }
  assert.ok(free > 30, `control: ${free} ms`);
  step.kill();
  assert.equal((await step).cause, 'killed');
}

void suite('a pause that is not wanted', () => {
  void test('cannot be escaped by waking each other', async (context) => {
    await pauseOf(context, WAKERS);
  });

  void test('cannot be escaped by forking on', async (context) => {
    await pauseOf(context, FLEES);
  });
});
