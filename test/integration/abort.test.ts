import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { suite, test } from 'node:test';
import { spawnSandbox } from 'spawn-sandbox';
import { processesWith, uniqueMarker, untilGone } from '../helpers/marked-processes.js';

const ABORTED = { ok: false, status: -9, exitCode: null, signal: 'SIGKILL', cause: 'aborted' };

void suite('an AbortSignal', () => {
  void test('that is aborted already: the step never runs', async () => {
    const marker = uniqueMarker();
    const step = spawnSandbox('sh', ['-c', 'sleep 1000; :', marker], { signal: AbortSignal.abort() });
    const { ok, status, exitCode, signal, cause, detail, stdout, enforced } = await step;
    assert.deepEqual({ ok, status, exitCode, signal, cause }, ABORTED);
    assert.match(detail, /before it was started/);
    assert.equal(stdout, '');
    assert.equal(enforced.seccomp.state, 'absent', 'nothing ran, so nothing was enforced');
    assert.deepEqual(processesWith(marker), []);
  });

  void test('that is aborted in the same turn', async () => {
    const controller = new AbortController();
    const step = spawnSandbox('sleep', ['1000'], { signal: controller.signal });
    controller.abort();
    const { ok, status, exitCode, signal, cause } = await step;
    assert.deepEqual({ ok, status, exitCode, signal, cause }, ABORTED);
  });

  void test('that is aborted while the step runs: all of it is gone', async () => {
    const marker = uniqueMarker();
    const controller = new AbortController();
    const step = spawnSandbox('sh', ['-c', '(setsid -f sh -c "sleep 1000; :" $0); echo ready; sleep 1000', marker], {
      signal: controller.signal,
    });
    for await (const line of step) {
      assert.equal(line, 'ready');
      controller.abort();
    }
    const { ok, status, exitCode, signal, cause, stdout, detail } = await step;
    assert.deepEqual({ ok, status, exitCode, signal, cause }, ABORTED);
    assert.deepEqual([stdout, detail], ['ready\n', 'Aborted by its signal.']);
    await untilGone(marker, 1000);
  });

  void test('that is aborted after the end changes nothing', async () => {
    const controller = new AbortController();
    const step = spawnSandbox('echo', ['done'], { signal: controller.signal });
    const before = await step;
    controller.abort();
    assert.equal(await step, before);
    assert.equal(before.cause, 'exit');
  });

  void test('is let go of by steps that have ended', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    for (let i = 0; i < 20; i++) await spawnSandbox('true', [], { signal });
    await spawnSandbox('no-such-program-anywhere', [], { signal }).result.catch(() => undefined);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  void test('of many steps ends them all', async () => {
    const controller = new AbortController();
    const steps = Array.from({ length: 10 }, () => spawnSandbox('sleep', ['1000'], { signal: controller.signal }));
    setTimeout(() => {
      controller.abort();
    }, 50);
    for (const step of steps) assert.equal((await step).cause, 'aborted');
  });

  void test('by a timeout works as well', async () => {
    assert.equal((await spawnSandbox('sleep', ['1000'], { signal: AbortSignal.timeout(100) })).cause, 'aborted');
  });

  void test('rejects with StepError when asked to', async () => {
    const step = spawnSandbox('sleep', ['1000'], { signal: AbortSignal.timeout(50), reject: true });
    await assert.rejects(step.result, { name: 'StepError', code: 'ERR_STEP_FAILED' });
  });

  void test('must be one', () => {
    assert.throws(() => spawnSandbox('true', [], { signal: {} as AbortSignal }), { code: 'ERR_INVALID_OPTION' });
  });
});
