// A limit above the sandboxes', which is not the step's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spawnSandbox } from 'spawn-sandbox';

const eat = async (mebibytes, memory) =>
  await spawnSandbox('/app/steps/limits', ['eat', String(mebibytes)], { limits: { memory } });

test("the service's own limit ends the step, not the app, and is not called the step's", async () => {
  const neighbour = eat(8, '64MiB');
  const { cause, scope, status, detail } = await eat(600, '1GiB');
  assert.deepEqual([cause, scope, status], ['oom', 'host', -9], detail);
  assert.match(detail, /host or its container/);
  const { ok } = await neighbour;
  assert.ok(ok);
});

test("a step's own limit below it is still the step's", async () => {
  const { cause, scope } = await eat(256, '64MiB');
  assert.deepEqual([cause, scope], ['oom', 'step']);
});
