import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Step, spawnSandbox } from 'spawn-sandbox';
import { processesWith, uniqueMarker, untilGone, untilRunning } from '../helpers/marked-processes.js';

/** Ten times what a kill is promised to take: the machines that run tests are busy. */
const SOON_MS = 1000;

async function ready(step: Step): Promise<void> {
  for await (const line of step) if (line === 'ready') return;
  assert.fail(`ended too early: ${(await step).detail}`);
}

function shell(script: string, options: Parameters<typeof spawnSandbox>[2] = {}, ...args: readonly string[]): Step {
  return spawnSandbox('sh', ['-c', script, ...args], options);
}

void suite('kill()', () => {
  void test('ends the sandbox with SIGKILL and cause killed', async () => {
    const step = shell('echo ready; sleep 1000');
    await ready(step);
    step.kill();
    const { ok, status, signal, exitCode, cause, detail } = await step;
    assert.deepEqual(
      { ok, status, signal, exitCode, cause },
      { ok: false, status: -9, signal: 'SIGKILL', exitCode: null, cause: 'killed' },
    );
    assert.match(detail, /^Killed by kill\(.*\)\.$/);
  });

  void test('at once after the start is fine', async () => {
    const step = shell('sleep 1000');
    step.kill();
    const { cause, status } = await step;
    assert.deepEqual([cause, status], ['killed', -9]);
  });

  void test('twice, and after the end, is fine', async () => {
    const step = shell('echo ready; sleep 1000');
    await ready(step);
    step.kill();
    step.kill();
    await step;
    step.kill();
    step.kill('SIGTERM');
    assert.equal((await step).cause, 'killed');
  });

  void test('with SIGTERM lets the step end in its own way, and still says killed', async () => {
    const step = shell('trap "echo cleaned; exit 3" TERM; echo ready; while :; do sleep 0.02; done');
    await ready(step);
    step.kill('SIGTERM');
    const { status, exitCode, signal, cause, stdout, detail } = await step;
    assert.deepEqual({ status, exitCode, signal, cause }, { status: 3, exitCode: 3, signal: null, cause: 'killed' });
    assert.equal(stdout, 'ready\ncleaned\n');
    assert.match(detail, /kill\('SIGTERM'\)/);
  });

  void test('with SIGTERM that is not caught ends by that signal', async () => {
    const step = shell('echo ready; exec sleep 1000');
    await ready(step);
    step.kill('SIGTERM');
    const { status, signal, cause } = await step;
    assert.deepEqual([status, signal, cause], [-15, 'SIGTERM', 'killed']);
  });

  void test('with SIGTERM that is ignored ends the sandbox after the grace', async () => {
    const step = shell('trap "" TERM; echo ready; while :; do sleep 0.02; done');
    await ready(step);
    const asked = performance.now();
    step.kill('SIGTERM', { grace: 200 });
    const { status, cause } = await step;
    assert.deepEqual([status, cause], [-9, 'killed']);
    assert.ok(performance.now() - asked >= 200);
  });

  void test('the grace is killGrace unless it is given', async () => {
    const step = shell('trap "" INT; echo ready; while :; do sleep 0.02; done', { killGrace: '200ms' });
    await ready(step);
    step.kill('SIGINT');
    assert.equal((await step).status, -9);
  });

  void test('with any other signal only sends it', async () => {
    const step = shell('trap "echo one" USR1; echo ready; i=0; while [ $i -lt 20 ]; do sleep 0.02; i=$((i+1)); done');
    await ready(step);
    step.kill('SIGUSR1');
    const { ok, cause, stdout } = await step;
    assert.deepEqual([ok, cause, stdout], [true, 'exit', 'ready\none\n']);
  });

  void test('with another signal that ends the step is a signal, not a kill', async () => {
    const step = shell('echo ready; exec sleep 1000');
    await ready(step);
    step.kill('SIGUSR2');
    const { cause, signal } = await step;
    assert.deepEqual([cause, signal], ['signal', 'SIGUSR2']);
  });

  void test('stops and continues', async () => {
    const step = shell('echo ready; sleep 0.2; echo done');
    await ready(step);
    step.kill('SIGSTOP');
    step.kill('SIGCONT');
    assert.equal((await step).stdout, 'ready\ndone\n');
  });

  void test('with something that is no signal is a mistake', async () => {
    const step = shell('true');
    assert.throws(
      () => {
        step.kill('SIGNOTHING' as NodeJS.Signals);
      },
      { code: 'ERR_INVALID_OPTION' },
    );
    assert.throws(
      () => {
        step.kill('SIGTERM', { grace: 'soon' });
      },
      { code: 'ERR_INVALID_OPTION' },
    );
    await step;
  });

  void test('ends with await using, too', async () => {
    const step = shell('echo ready; sleep 1000');
    await ready(step);
    await step[Symbol.asyncDispose]();
    assert.equal((await step).cause, 'destroyed');
  });
});

void suite('nothing is left of a sandbox that ends', () => {
  const LEFT: readonly (readonly [what: string, script: string])[] = [
    ['children', 'sh -c "sleep 1000; :" $0 & echo ready; wait'],
    ['orphans', '(sh -c "sleep 1000; :" $0 &); echo ready; sleep 1000'],
    ['processes of a session of their own', 'setsid sh -c "sleep 1000; :" $0 & echo ready; wait'],
    ['orphans of a session of their own', '(setsid -f sh -c "sleep 1000; :" $0); echo ready; sleep 1000'],
    [
      'processes that ignore every signal they can',
      'sh -c "trap \'\' HUP INT QUIT TERM USR1 PIPE; sleep 1000; :" $0 & echo ready; wait',
    ],
    ['processes that are stopped', 'sh -c "kill -STOP \\$\\$; :" $0 & echo ready; wait'],
    [
      'processes that hold the streams open',
      '(setsid -f sh -c "trap \'\' HUP; sleep 1000; :" $0); echo ready; sleep 1000',
    ],
  ];
  for (const [what, script] of LEFT) {
    void test(`no ${what} after kill()`, async () => {
      const marker = uniqueMarker();
      const step = shell(script, {}, marker);
      await ready(step);
      await untilRunning(marker, 2);
      step.kill();
      await untilGone(marker, SOON_MS);
      assert.equal((await step).cause, 'killed');
    });

    void test(`no ${what} after the exit of the main process`, async () => {
      const marker = uniqueMarker();
      const step = shell(script.replace(/echo ready; .*$/, 'sleep 0.1; exit 0'), {}, marker);
      assert.equal((await step).ok, true);
      await untilGone(marker, SOON_MS);
    });
  }

  void test('no process that forks faster than one could kill them one by one', async () => {
    const marker = uniqueMarker();
    const script =
      'next() { sh -c "sleep 0.01; exec sh -c \\"\\$1\\" $0 \\"\\$1\\"" $0 "$1"; }; echo ready; while :; do sh -c "sleep 0.02; :" $0 & sleep 0.005; done';
    const step = shell(script, { limits: { processes: 64 } }, marker);
    await ready(step);
    step.kill();
    await untilGone(marker, SOON_MS);
    await step;
  });

  void test('no process when a deadline passes, the output is too long or the memory too little', async () => {
    for (const [script, limits] of [
      ['(setsid -f sh -c "sleep 1000; :" $0); sleep 1000', { wallTime: 200 }],
      ['(setsid -f sh -c "sleep 1000; :" $0); yes', { output: 10_000 }],
      ['(setsid -f sh -c "sleep 1000; :" $0); tail /dev/zero', { memory: '32MiB' }],
    ] as const) {
      const marker = uniqueMarker();
      const { ok, cause } = await shell(script, { limits }, marker);
      assert.equal(ok, false, cause);
      await untilGone(marker, SOON_MS);
    }
  });

  void test('the control: without an end the marked processes stay', async () => {
    const marker = uniqueMarker();
    const step = shell('(setsid -f sh -c "sleep 1000; :" $0); echo ready; sleep 1000', {}, marker);
    await ready(step);
    await untilRunning(marker, 2);
    await assert.rejects(untilGone(marker, 200), /in vain/);
    assert.equal(processesWith(marker).length, 2);
    step.kill();
    await step;
  });
});
