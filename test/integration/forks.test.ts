import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { spawnSandbox, type StepResult } from 'spawn-sandbox';
import { isRoot } from '../helpers/privileges.js';
import { stdoutOf } from '../helpers/run.js';

function shell(script: string, options: Parameters<typeof spawnSandbox>[2] = {}): Promise<StepResult> {
  return spawnSandbox('sh', ['-c', script], options).result;
}

void suite('processes of a step', () => {
  void test('a fork above the limit of processes fails inside, and the result tells it', async () => {
    const script = 'for i in $(seq 30); do sleep 5 & done 2>/dev/null; echo survived';
    const result = await shell(script, { limits: { processes: 10 } });
    assert.doesNotMatch(String(result.stdout), /survived/, 'dash gives up when it cannot fork');
    assert.equal(result.cause, 'exit');
    if (isRoot) assert.deepEqual(result.limitsHit, ['processes']);
    const control = await shell('for i in $(seq 30); do sleep 5 & done; echo survived', { limits: { processes: 40 } });
    assert.equal(control.stdout, 'survived\n');
  });

  void test('exactly as many processes run as the limit says', async () => {
    // The shell itself and two pipes' ends are three.
    const script = 'sleep 0.3 & sleep 0.3 & wait; echo done';
    assert.equal((await shell(script, { limits: { processes: 3 } })).stdout, 'done\n');
    assert.notEqual((await shell(script, { limits: { processes: 2 } })).stdout, 'done\n');
  });

  void test('a fork bomb is held, ended by the deadline, and leaves the machine usable', async () => {
    const result = await shell('bomb() { bomb | bomb & }; bomb; while :; do sleep 1; done', {
      limits: { processes: 50, wallTime: '1s' },
    });
    assert.ok(['wallTimeout', 'exit'].includes(result.cause), result.detail);
    assert.equal(await stdoutOf('echo', ['fine']), 'fine');
  });

  void test('processes of one sandbox do not count against another', async () => {
    const script = 'for i in 1 2 3 4 5 6; do sleep 0.5 & done; wait; echo done';
    const steps = Array.from({ length: 4 }, () => shell(script, { limits: { processes: 10 } }));
    for (const { stdout, detail } of await Promise.all(steps)) assert.equal(stdout, 'done\n', detail);
  });
});
