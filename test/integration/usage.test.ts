import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { spawnSandbox } from 'spawn-sandbox';
import { hold } from '../helpers/hog.js';
import { run } from '../helpers/run.js';

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

  void test('what is not known is missing, and not 0', async () => {
    const { usage } = await spawnSandbox('sh', ['-c', 'while :; do :; done'], {
      limits: { cpuTime: 200 },
    });
    assert.notEqual((usage.userCpuMs ?? 200) + (usage.systemCpuMs ?? 0), 0);
    assert.notEqual(usage.peakMemoryBytes, 0);
  });
});
