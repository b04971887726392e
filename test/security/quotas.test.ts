import assert from 'node:assert/strict';
import { watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { suite, test } from 'node:test';
import { spawnSandbox, type Step } from 'spawn-sandbox';
import { isRoot } from '../helpers/privileges.js';
import { compileProbe, runOutside } from '../helpers/probe.js';

/** What the kernel gives to each user, and a step of a root app must not use up for root. */
void suite('quotas of the app’s user', () => {
  const program = compileProbe('hoard');
  const skip = program === undefined ? 'gcc not found: apt-get install -y gcc libc6-dev' : false;

  void test('steps that take every watcher leave the app its own', { skip, timeout: 60_000 }, async () => {
    const steps = Array.from({ length: 5 }, () => spawnSandbox(program ?? '', ['watchers', '1000', '2']));
    const taken = await Promise.all(steps.map(firstLine));
    if (isRoot) {
      assert.deepEqual(taken, ['32', '32', '32', '32', '32']);
      for (let i = 0; i < 20; i++) watch(tmpdir()).close();
    } else {
      // One user, one quota: each step gets a part of it, so that it takes several to use it up.
      assert.ok(taken.filter((count) => count === '32').length >= 3, taken.join());
    }
    await Promise.all(steps);
    assert.equal(runOutside(program ?? '', ['watchers', '40']), '40\n', 'the control: outside one may have more');
  });

  void test('message queues of one step leave other steps and the app theirs', { skip, timeout: 60_000 }, async () => {
    const greedy = spawnSandbox(program ?? '', ['queues', '100', '1.5']);
    const taken = Number(await firstLine(greedy));
    assert.ok(taken > 0 && taken < 100, `the control: the kernel limits them, here to ${taken}`);
    const [other] = await Promise.all([spawnSandbox(program ?? '', ['queues', '100'])]);
    const outside = Number(runOutside(program ?? '', ['queues', '1']));
    assert.deepEqual([Number(other.stdout), outside], isRoot ? [taken, 1] : [0, 0]);
    await greedy;
  });
});

async function firstLine(step: Step): Promise<string> {
  for await (const line of step) return line;
  return '';
}
