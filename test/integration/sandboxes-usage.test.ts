import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { living, python, sh, speaking, stdoutOf } from '../helpers/living.js';

const MIB = 2 ** 20;

void suite('what a sandbox uses', () => {
  void test('is that of all its commands, and of each', async (context) => {
    const sandbox = await living(context);
    const hold = (size: number) => `x = bytearray(${size} << 20)\nprint(1, flush=True)\nimport time; time.sleep(1000)`;
    const [large, small] = [await speaking(python(sandbox, hold(80))), await speaking(python(sandbox, hold(20)))];
    const usage = await sandbox.usage();
    assert.deepEqual(usage.commands.map(({ id }) => id).sort(), [large.step.id, small.step.id].sort());
    const of = (id: string) => usage.commands.find((command) => command.id === id)?.memoryBytes ?? 0;
    assert.ok(of(large.step.id) > 80 * MIB && of(large.step.id) < 120 * MIB, String(of(large.step.id)));
    assert.ok(of(small.step.id) > 20 * MIB && of(small.step.id) < 60 * MIB, String(of(small.step.id)));
    assert.ok((usage.memoryBytes ?? 0) > 100 * MIB, String(usage.memoryBytes));
    assert.ok(usage.peakMemoryBytes === undefined || usage.peakMemoryBytes >= (usage.memoryBytes ?? 0) - MIB);
    large.step.kill();
    await large.step;
    const after = await sandbox.usage();
    assert.deepEqual(
      after.commands.map(({ id }) => id),
      [small.step.id],
    );
    assert.ok((after.memoryBytes ?? Infinity) < 80 * MIB, String(after.memoryBytes));
  });

  void test('counts processor time also of those that have ended, and processes of those that run', async (context) => {
    const sandbox = await living(context);
    assert.deepEqual((await sandbox.usage()).commands, []);
    await stdoutOf(python(sandbox, 'import time\nwhile time.process_time() < 0.3: pass'));
    const { step } = await speaking(sh(sandbox, 'sleep 1000 & sleep 1000 & echo x; wait'));
    const { userCpuMs = 0, systemCpuMs = 0, processes, wallTimeMs, commands } = await sandbox.usage();
    assert.ok(userCpuMs + systemCpuMs >= 290, `${userCpuMs} + ${systemCpuMs}`);
    assert.ok(wallTimeMs > 300);
    assert.equal(processes, 3);
    const [command] = commands;
    assert.deepEqual([command?.id, command?.processes, command?.background], [step.id, 3, false]);
    assert.ok((command?.userCpuMs ?? 0) + (command?.systemCpuMs ?? 0) < 200);
    assert.ok(command !== undefined && command.wallTimeMs < wallTimeMs);
  });

  void test('can be asked for by many at once, while it is paused, and no more when it is over', async (context) => {
    const sandbox = await living(context);
    await speaking(sh(sandbox, 'echo x; sleep 1000'));
    await sandbox.pause();
    const all = await Promise.all(Array.from({ length: 50 }, () => sandbox.usage()));
    assert.ok(all.every(({ commands }) => commands.length === 1));
    const last = sandbox.usage();
    await sandbox.destroy();
    assert.equal((await last).commands.length, 1);
    await assert.rejects(sandbox.usage(), { code: 'ERR_SANDBOX_CLOSED' });
  });

  void test('is told of as many commands as there are', async (context) => {
    const sandbox = await living(context);
    const all = await Promise.all(Array.from({ length: 30 }, () => speaking(sh(sandbox, 'echo x; exec sleep 1000'))));
    const { commands, processes } = await sandbox.usage();
    assert.deepEqual(commands.map(({ id }) => id).sort(), all.map(({ step }) => step.id).sort());
    assert.equal(processes, 30);
  });
});
