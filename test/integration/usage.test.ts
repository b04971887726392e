import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { closeSpawner, configureSpawner, spawnSandbox } from 'spawn-sandbox';
import { recordedCgroups } from '../helpers/cgroup-records.js';
import { hold } from '../helpers/hog.js';
import { run } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const MEBIBYTE = 2 ** 20;

void suite('usage', () => {
  void test('processor time is what the step itself would say, with its children', async () => {
    const burn = 'i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done';
    const { usage, stdout } = await run('sh', ['-c', `${burn}; (${burn}); times`]);
    const said = [...stdout.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
      (sum, [, m, s]) => sum + Number(m) * 60_000 + Number(s) * 1000,
      0,
    );
    const told = (usage.userCpuMs ?? 0) + (usage.systemCpuMs ?? 0);
    assert.ok(said > 50, `the control: ${said} ms`);
    assert.ok(told >= said * 0.75 && told <= said * 1.25 + 60, `the step says ${said} ms, the result ${told} ms`);
  });

  void test('a step that sleeps uses next to nothing', async () => {
    const { usage } = await run('sleep', ['0.3']);
    assert.ok(usage.wallTimeMs >= 300 && usage.wallTimeMs < 3000, `${usage.wallTimeMs} ms`);
    assert.ok((usage.userCpuMs ?? 0) + (usage.systemCpuMs ?? 0) < 100);
  });

  void test('the peak of memory is told', async () => {
    const { usage } = await run('sh', ['-c', hold(50)]);
    const { peakMemoryBytes = 0 } = usage;
    assert.ok(peakMemoryBytes >= 50 * MEBIBYTE, `${peakMemoryBytes} bytes`);
    assert.ok(peakMemoryBytes < 250 * MEBIBYTE, `${peakMemoryBytes} bytes`);
  });

  void test('a step does not inherit the peak of the one before', async () => {
    await run('sh', ['-c', hold(50)]);
    for (let i = 0; i < 12; i++) {
      const { peakMemoryBytes = 0 } = (await run('true')).usage;
      assert.ok(peakMemoryBytes < 30 * MEBIBYTE, `${peakMemoryBytes} bytes`);
    }
  });

  void test('the peak of processes is told where the kernel keeps it, and is that of this step', async (context) => {
    const stateDirectory = join(temporaryDirectory(context), 'state');
    await closeSpawner();
    configureSpawner({ stateDirectory, pool: 2 });
    context.after(async () => {
      await closeSpawner();
      configureSpawner({});
    });
    await run('true');
    const kept = recordedCgroups(stateDirectory).some((path) => existsSync(join(path, 'pids.peak')));
    const children = 'for i in 1 2 3 4 5; do sleep 0.2 & done; wait';
    for (let round = 0; round < 6; round++) {
      const { peakProcesses } = (await run('sh', ['-c', children])).usage;
      assert.equal(peakProcesses, kept ? 6 : undefined, 'the shell and its five children');
      assert.equal((await run('true')).usage.peakProcesses, kept ? 1 : undefined);
    }
    const { limitsHit, usage } = await spawnSandbox('sh', ['-c', children], { limits: { processes: 4 } });
    if (kept) assert.deepEqual([limitsHit, usage.peakProcesses], [['processes'], 4]);
  });

  void test('what is not known is missing, and not 0', async () => {
    const { usage } = await spawnSandbox('sh', ['-c', 'while :; do :; done'], {
      limits: { cpuTime: 200 },
    });
    assert.notEqual((usage.userCpuMs ?? 200) + (usage.systemCpuMs ?? 0), 0);
    assert.notEqual(usage.peakMemoryBytes, 0);
  });
});
