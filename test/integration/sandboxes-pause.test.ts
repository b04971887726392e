import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { configureSpawner, createSandbox, type Sandbox } from 'spawn-sandbox';
import { living, python, sh, speaking, stdoutOf } from '../helpers/living.js';
import { until } from '../helpers/until.js';

const QUEUE_TIMEOUT = 4000;
configureSpawner({ queueTimeout: QUEUE_TIMEOUT });

const TALKS = 'while :; do echo x; sleep 0.02; done';

/** In milliseconds, of all commands so far. */
async function cpuTime(sandbox: Sandbox): Promise<number> {
  const { userCpuMs = 0, systemCpuMs = 0 } = await sandbox.usage();
  return userCpuMs + systemCpuMs;
}

void suite('a sandbox that is paused', () => {
  void test('stands still with all that its commands have started, and goes on where it was', async (context) => {
    const sandbox = await living(context);
    const both = [await speaking(sh(sandbox, TALKS)), await speaking(sh(sandbox, `setsid sh -c '${TALKS}' & wait`))];
    await sandbox.pause();
    assert.notEqual(sandbox.paused, false);
    await delay(100); // what was written before is on its way
    const before = both.map(({ bytes }) => bytes());
    await delay(400);
    assert.deepEqual(
      both.map(({ bytes }) => bytes()),
      before,
    );
    await sandbox.resume();
    assert.equal(sandbox.paused, false);
    await delay(400);
    for (const [index, { bytes }] of both.entries()) assert.ok(bytes() > (before[index] ?? 0) + 4, 'control');
  });

  void test('uses no processor, however many threads spin in it', async (context) => {
    const sandbox = await living(context);
    const spin =
      'import threading\ndef spin():\n  while True: pass\n[threading.Thread(target=spin).start() for _ in "abc"]\nprint(1, flush=True)';
    await speaking(python(sandbox, spin));
    const begun = await cpuTime(sandbox);
    await until('the control: they spin', async () => (await cpuTime(sandbox)) - begun > 100);
    await sandbox.pause();
    const still = await cpuTime(sandbox);
    await delay(400);
    assert.ok((await cpuTime(sandbox)) - still < 20, `${(await cpuTime(sandbox)) - still} ms`);
  });

  void test('can be while a program waits for its child to execute', async (context) => {
    const sandbox = await living(context);
    const starts = 'import subprocess\nprint(1, flush=True)\nwhile True: subprocess.run(["true"])';
    const { step } = await speaking(python(sandbox, starts));
    for (let round = 0; round < 10; round++) {
      await sandbox.pause();
      const still = await cpuTime(sandbox);
      await delay(20);
      assert.ok((await cpuTime(sandbox)) - still < 5);
      await sandbox.resume();
      await delay(5);
    }
    step.kill();
    assert.equal((await step).cause, 'killed');
  });

  void test('may be paused and resumed as often as anybody likes, at once and without a command', async (context) => {
    const sandbox = await living(context);
    await sandbox.resume();
    await sandbox.pause();
    await Promise.all([sandbox.pause(), sandbox.pause(), sandbox.resume(), sandbox.pause()]);
    assert.notEqual(sandbox.paused, false);
    await Promise.all([sandbox.resume(), sandbox.resume()]);
    assert.equal(await stdoutOf(sh(sandbox, 'echo well')), 'well');
  });

  void test('has a command wait that is spawned into it, for as long as it is paused', async (context) => {
    const sandbox = await living(context);
    await sandbox.pause();
    const [waits, unwanted] = [sh(sandbox, 'echo begun'), sh(sandbox, 'echo begun')];
    let ended = false;
    void waits.then(() => (ended = true));
    await delay(QUEUE_TIMEOUT * 1.25);
    assert.equal(ended, false);
    unwanted.kill();
    const { cause, usage } = await unwanted;
    assert.deepEqual([cause, usage.wallTimeMs], ['killed', 0]);
    await sandbox.resume();
    assert.equal(await stdoutOf(waits), 'begun');
    assert.ok((await waits).usage.queueTimeMs > QUEUE_TIMEOUT);
  });

  void test('lets no command through that is about to begin', async (context) => {
    const sandbox = await living(context);
    for (let round = 0; round < 20; round++) {
      const step = sh(sandbox, TALKS);
      let bytes = 0;
      step.stdout.on('data', (chunk: Buffer) => (bytes += chunk.length));
      if (round % 2 > 0) await delay(round / 10);
      await sandbox.pause();
      await delay(30);
      const before = bytes;
      await delay(60);
      assert.equal(bytes, before);
      await sandbox.resume();
      step.kill();
      await step;
    }
  });

  void test('has the ends that it would have otherwise', async (context) => {
    const sandbox = await living(context);
    const killed = await speaking(sh(sandbox, TALKS));
    const late = await speaking(sh(sandbox, TALKS, { limits: { wallTime: '1s' } }));
    const asked = await speaking(sh(sandbox, `trap 'echo bye; exit 3' TERM; ${TALKS}`));
    const deaf = await speaking(sh(sandbox, `setsid sh -c '${TALKS}' & ${TALKS}`));
    await sandbox.pause();
    killed.step.kill();
    assert.equal((await killed.step).cause, 'killed');
    assert.equal((await late.step).cause, 'wallTimeout');
    asked.step.kill('SIGTERM', { grace: '20s' });
    deaf.step.kill('SIGTERM', { grace: 100 });
    assert.equal((await deaf.step).cause, 'killed', 'for its grace has passed');
    await sandbox.resume();
    const { exitCode, stdout } = await asked.step;
    assert.deepEqual([exitCode, String(stdout).endsWith('bye\n')], [3, true]);
    assert.equal(await stdoutOf(sh(sandbox, 'echo well')), 'well');
  });

  void test('ends by its own deadline and by destroy(), with nothing left', async (context) => {
    for (const cause of ['wallTimeout', 'destroyed']) {
      const sandbox = await createSandbox({ limits: { wallTime: '1s' } });
      context.after(() => sandbox.destroy());
      const { step } = await speaking(sh(sandbox, TALKS));
      await sandbox.pause();
      if (cause === 'destroyed') await sandbox.destroy();
      assert.deepEqual([(await step).cause, (await step).scope], [cause, 'sandbox']);
      await sandbox.destroy();
      assert.equal((await sandbox.ended).cause, cause);
      await assert.rejects(sandbox.pause(), { code: 'ERR_SANDBOX_CLOSED' });
      await assert.rejects(sandbox.resume(), { code: 'ERR_SANDBOX_CLOSED' });
    }
  });

  void test('blames no command for its silence, and again when it goes on', async (context) => {
    const sandbox = await living(context);
    const { step } = await speaking(sh(sandbox, 'echo x; sleep 1000', { limits: { idleTime: 400 } }));
    let ended = false;
    void step.then(() => (ended = true));
    await sandbox.pause();
    await delay(1300);
    assert.equal(ended, false);
    const resumed = performance.now();
    await sandbox.resume();
    assert.equal((await step).cause, 'idleTimeout');
    assert.ok(performance.now() - resumed > 350, 'it had all of its time');
  });

  void test('does not wake what was stopped before', async (context) => {
    const sandbox = await living(context);
    const script = `sh -c '${TALKS}' & sleep 0.2; kill -STOP $!; echo stopped; sleep 1000`;
    const { bytes } = await speaking(sh(sandbox, script));
    await delay(500);
    const stopped = bytes();
    await sandbox.pause();
    await sandbox.resume();
    await delay(300);
    assert.equal(bytes(), stopped);
  });
});
