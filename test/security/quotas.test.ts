import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { suite, test } from 'node:test';
import { createZygote, spawnSandbox, type Step } from 'spawn-sandbox';
import { hasOwnIds, isRoot } from '../helpers/privileges.js';
import { compileProbe, runOutside } from '../helpers/probe.js';
import { until } from '../helpers/until.js';
import { ANY_FORM } from '../helpers/weaker.js';

/** Whoever may use keys has a keyring of its own. */
const KEYS_PERMITTED = {
  extends: 'default',
  rules: [{ name: ['keyctl', 'add_key', 'request_key'], verdict: 'allow', reason: 'a test' }],
} as const;

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

  void test(
    'keys that the app’s user has used up are told as what is missing',
    { skip, timeout: 60_000 },
    async (context) => {
      const zygote = await createZygote({ runtime: 'python', ...ANY_FORM });
      context.after(() => zygote.destroy());
      const greedy = spawn(program ?? '', ['keys', '400', '60'], { stdio: ['ignore', 'pipe', 'inherit'] });
      context.after(() => greedy.kill('SIGKILL'));
      const [line] = (await once(greedy.stdout, 'data')) as [Buffer];
      // Steps that can use no keyring have none of their own.
      assert.ok((await spawnSandbox('true')).ok);
      assert.ok((await zygote.spawn({ code: '' })).ok);
      const withKeys = { syscalls: KEYS_PERMITTED };
      if (hasOwnIds) {
        assert.equal(Number(line) === 400, isRoot, 'the control: root has many, a user few');
        assert.ok((await zygote.spawn({ code: '' }, withKeys)).ok);
        return;
      }
      assert.ok(Number(line) < 400, `the control: the kernel limits them, here to ${String(line)}`);
      await assert.rejects(zygote.spawn({ code: '' }, withKeys).result, {
        code: 'ERR_RESOURCES',
        path: '/proc/sys/kernel/keys/maxkeys',
        message: /maxkeys: /,
      });
      greedy.kill('SIGKILL');
      await until('the kernel has them back', () =>
        zygote.spawn({ code: '' }, withKeys).result.then(
          ({ ok }) => ok,
          () => false,
        ),
      );
    },
  );
});

async function firstLine(step: Step): Promise<string> {
  for await (const line of step) return line;
  return '';
}
