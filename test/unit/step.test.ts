import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { StepError } from '#src/errors.js';
import type { Further } from '#src/step/further.js';
import { FakeSpawner } from './fake-spawner.js';

const { EAGAIN, EMFILE, EMSGSIZE } = constants.errno;

void describe('a step', () => {
  void test('is told to the spawner after configuration and policy, which are told once', async () => {
    const spawner = await FakeSpawner.launched();
    const steps = [spawner.step(), spawner.step()];
    assert.deepEqual(
      spawner.sent.map(({ kind }) => kind),
      ['configure', 'define', 'start', 'start'],
    );
    for (const [index, step] of steps.entries()) {
      finish(spawner, index + 1);
      assert.equal((await step).ok, true);
    }
  });

  void test('has a result only when its pipes have been read to their ends', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step();
    spawner.output(1, 'first ');
    spawner.exit(1);
    assert.deepEqual(
      spawner.calls.filter((call) => call.startsWith('drain')),
      ['drain 1', 'drain 2'],
    );
    spawner.output(1, 'last');
    spawner.output(1, null);
    spawner.output(2, null);
    assert.equal((await step).stdout, 'first last');
  });

  void test('keeps the event loop alive as long as it runs', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step();
    assert.deepEqual(
      spawner.calls.filter((call) => call.endsWith('ref')),
      ['ref'],
    );
    finish(spawner, 1);
    await step;
    assert.deepEqual(
      spawner.calls.filter((call) => call.endsWith('ref')),
      ['ref', 'unref'],
    );
  });

  void test('that writes too much is ended, and gets exactly the limit', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step({ limits: { output: 5 } });
    spawner.output(1, 'abc');
    spawner.output(2, 'defg');
    assert.deepEqual(
      spawner.ofKind('kill').map(({ cause }) => cause),
      ['OUTPUT_LIMIT'],
    );
    spawner.output(1, 'more');
    finish(spawner, 1, { cause: 'OUTPUT_LIMIT', signal: 9 });
    const { stdout, stderr, truncated, cause } = await step;
    assert.deepEqual(
      { stdout, stderr, truncated, cause },
      { stdout: 'abc', stderr: 'de', truncated: true, cause: 'outputLimit' },
    );
    assert.equal(spawner.ofKind('kill').length, 1);
  });

  void test('rejects with a StepError when it was asked to', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step({ reject: true });
    finish(spawner, 1, { exitCode: 4 });
    await assert.rejects(step.result, (error) => {
      assert.ok(error instanceof StepError);
      assert.equal(error.message, 'sh: Exited with status 4.');
      assert.equal(error.result.status, 4);
      return true;
    });
  });

  void test('waits while the channel is full, and goes when it is not', async () => {
    const spawner = await FakeSpawner.launched();
    spawner.refuse = EAGAIN;
    const step = spawner.step();
    assert.equal(spawner.ofKind('start').length, 0);
    spawner.writable();
    assert.deepEqual(
      spawner.sent.map(({ kind }) => kind),
      ['configure', 'define', 'start'],
    );
    finish(spawner, 1);
    assert.equal((await step).ok, true);
  });

  void test('waits for descriptors, but not longer than the queue may take', async () => {
    const spawner = await FakeSpawner.launched();
    spawner.refuse = EMFILE;
    await assert.rejects(spawner.step().result, { code: 'ERR_QUEUE_TIMEOUT' });
  });

  void test('that is too long to be sent is refused', async () => {
    const spawner = await FakeSpawner.launched();
    finish(spawner, 1); // of nobody: passed over
    const first = spawner.step();
    spawner.refuse = EMSGSIZE;
    await assert.rejects(spawner.step().result, { code: 'ERR_INVALID_OPTION', message: /longer than 4 MiB/ });
    spawner.refuse = 0;
    finish(spawner, 1);
    await first;
  });

  void test('that was killed before it was sent is never sent', async () => {
    const spawner = await FakeSpawner.launched();
    spawner.refuse = EAGAIN;
    const step = spawner.step();
    step.kill();
    const { cause, status, detail } = await step;
    assert.deepEqual(
      { cause, status, detail },
      { cause: 'killed', status: -9, detail: 'Killed by kill() before it was started.' },
    );
    spawner.writable();
    assert.equal(spawner.ofKind('start').length, 0);
  });

  void test('that was aborted before its start is never sent, and is aborted', async () => {
    const spawner = await FakeSpawner.launched();
    const { cause, status } = await spawner.step({ signal: AbortSignal.abort() });
    assert.deepEqual([cause, status], ['aborted', -9]);
    assert.equal(spawner.ofKind('start').length, 0);
  });

  void test('is ended by its signal', async () => {
    const spawner = await FakeSpawner.launched();
    const controller = new AbortController();
    const step = spawner.step({ signal: controller.signal });
    controller.abort();
    assert.deepEqual(spawner.ofKind('kill'), [{ kind: 'kill', stepId: 1, cause: 'ABORTED', signal: 9 }]);
    finish(spawner, 1, { cause: 'ABORTED', signal: 9 });
    assert.equal((await step).cause, 'aborted');
  });
});

void describe('kill()', () => {
  const KILLS: readonly (readonly [
    title: string,
    signal: NodeJS.Signals | undefined,
    grace: string | undefined,
    sent: object,
  ])[] = [
    ['without a signal ends the sandbox', undefined, undefined, { cause: 'KILLED', signal: 9 }],
    ['with a polite signal gives it time', 'SIGTERM', undefined, { cause: 'KILLED', signal: 15, graceMs: 5000 }],
    ['with a time gives that', 'SIGINT', '2s', { cause: 'KILLED', signal: 2, graceMs: 2000 }],
    ['with another signal only delivers it', 'SIGUSR1', undefined, { signal: 10 }],
    ['with another signal and a time ends it, too', 'SIGUSR1', '1s', { cause: 'KILLED', signal: 10, graceMs: 1000 }],
    ['with no time at all ends it at once', 'SIGTERM', '0s', { cause: 'KILLED', signal: 15, graceMs: 1 }],
    ['with all the time never ends it', 'SIGTERM', 'Infinity', { cause: 'KILLED', signal: 15 }],
  ];
  for (const [title, signal, grace, sent] of KILLS) {
    void test(title, async () => {
      const spawner = await FakeSpawner.launched();
      const step = spawner.step();
      step.kill(signal, grace === undefined ? {} : { grace });
      assert.deepEqual(spawner.ofKind('kill'), [{ kind: 'kill', stepId: 1, ...sent }]);
      finish(spawner, 1);
      await step;
    });
  }
  void test('refuses what is no signal', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step();
    assert.throws(
      () => {
        step.kill('SIGNOPE' as NodeJS.Signals);
      },
      { code: 'ERR_INVALID_OPTION' },
    );
    finish(spawner, 1);
    await step;
  });
  void test('after the end does nothing', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step();
    finish(spawner, 1);
    await step;
    step.kill();
    assert.equal(spawner.ofKind('kill').length, 0);
  });
});

void describe('input', () => {
  void test('that fits is written at once, and stdin closed', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step({ input: 'hello' });
    assert.equal(spawner.written, 'hello');
    assert.ok(spawner.calls.includes('close 50'));
    finish(spawner, 1);
    await step;
  });
  void test('in pieces is written in order', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step({ input: ['a', Buffer.from('b'), 'c'] });
    await sleep(20);
    assert.equal(spawner.written, 'abc');
    finish(spawner, 1);
    await step;
  });
  void test('beyond its limit is refused before the start when it is a value', async () => {
    const spawner = await FakeSpawner.launched();
    await assert.rejects(spawner.step({ input: 'hello', limits: { input: 4 } }).result, { code: 'ERR_INPUT' });
    assert.equal(spawner.ofKind('start').length, 0);
  });
  void test('beyond its limit ends the step when it comes in pieces', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step({ input: ['he', 'llo'], limits: { input: 4 } });
    await sleep(20);
    assert.deepEqual(
      spawner.ofKind('kill').map(({ cause }) => cause),
      ['DESTROYED'],
    );
    finish(spawner, 1, { cause: 'DESTROYED', signal: 9 });
    await assert.rejects(step.result, { code: 'ERR_INPUT' });
  });
  void test('that fails ends the step with ERR_INPUT and the cause', async () => {
    const spawner = await FakeSpawner.launched();
    const boom = new Error('boom');
    const step = spawner.step({
      input: (async function* () {
        yield 'a';
        await sleep(1);
        throw boom;
      })(),
    });
    await sleep(30);
    finish(spawner, 1, { cause: 'DESTROYED', signal: 9 });
    await assert.rejects(step.result, (error: Error) => error.cause === boom);
  });
  void test('and a pipe exclude each other', async () => {
    const spawner = await FakeSpawner.launched();
    assert.throws(() => spawner.step({ input: 'x', stdin: 'pipe' }), { code: 'ERR_INVALID_OPTION' });
  });
  void test('of a pipe may be written before the step was sent', async () => {
    const spawner = await FakeSpawner.launched();
    spawner.refuse = EAGAIN;
    const step = spawner.step({ stdin: 'pipe' });
    step.stdin?.end('early');
    spawner.writable();
    await sleep(5);
    assert.equal(spawner.written, 'early');
    finish(spawner, 1);
    await step;
  });
  void test('is none, and no stream, unless asked for', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step();
    assert.equal(step.stdin, null);
    finish(spawner, 1);
    await step;
  });
});

void describe('idle time', () => {
  void test('counts from the start and from every byte', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step({ limits: { idleTime: '60ms' } });
    assert.equal(spawner.ofKind('start')[0]?.['announce'], true);
    await sleep(80);
    assert.equal(spawner.ofKind('kill').length, 0);
    spawner.say({ started: { stepId: 1 } });
    await sleep(40);
    spawner.output(1, 'x');
    await sleep(40);
    assert.equal(spawner.ofKind('kill').length, 0);
    await sleep(60);
    assert.deepEqual(
      spawner.ofKind('kill').map(({ cause }) => cause),
      ['IDLE_TIMEOUT'],
    );
    finish(spawner, 1, { cause: 'IDLE_TIMEOUT', signal: 9 });
    await step;
  });
  void test('does not count while the app does not read', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step({ limits: { idleTime: '30ms' } });
    const { stdout } = step;
    spawner.say({ started: { stepId: 1 } });
    for (let chunk = 0; chunk < 4; chunk++) spawner.output(1, 'x'.repeat(65_536));
    await sleep(100);
    assert.equal(spawner.ofKind('kill').length, 0);
    stdout.resume();
    finish(spawner, 1);
    await step;
  });
});

void describe('a spawner that dies', () => {
  void test('fails every step that it had, with its last words', async () => {
    const spawner = await FakeSpawner.launched();
    const steps = [spawner.step(), spawner.step()];
    spawner.die('was ended by SIGKILL');
    for (const step of steps) {
      await assert.rejects(step.result, {
        code: 'ERR_SPAWNER_DIED',
        message: /The spawner was ended by SIGKILL\. It said: out of luck/,
      });
    }
    assert.equal(spawner.connection.alive, false);
    assert.equal(spawner.calls.at(-1), 'close');
  });
  void test('ends loops and streams with the error', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step();
    const loop = (async () => {
      for await (const line of step) assert.fail(line);
    })();
    const stream = (async () => {
      for await (const chunk of step.stderr) assert.fail(String(chunk));
    })();
    await sleep(1);
    spawner.die('exited with status 1');
    await assert.rejects(loop, { code: 'ERR_SPAWNER_DIED' });
    await assert.rejects(stream, { code: 'ERR_SPAWNER_DIED' });
  });
  void test('warns when nobody looks at the step', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const spawner = await FakeSpawner.launched();
    spawner.step();
    spawner.die('exited with status 1');
    assert.match((await warned).message, /The spawner exited with status 1/);
  });
  void test('that cannot be configured fails every step', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step();
    spawner.say({ failed: { stepId: 0, stage: 'CONFIGURE', errno: 30, path: Buffer.from('/run/x') } });
    await assert.rejects(step.result, { code: 'ERR_SPAWNER_START', message: /at \/run\/x: EROFS/ });
    assert.equal(spawner.connection.alive, false);
  });
  void test('is what a message that nobody understands amounts to', async () => {
    const spawner = await FakeSpawner.launched();
    const step = spawner.step();
    spawner.say({});
    await assert.rejects(step.result, { code: 'ERR_PROTOCOL' });
  });
});

void describe('further descriptors of a step', () => {
  function collected(): { readonly further: Further; readonly seen: (string | null)[] } {
    const seen: (string | null)[] = [];
    const onData = (chunk: Buffer | null): void => {
      seen.push(chunk === null ? null : chunk.toString());
    };
    return { further: { kind: 'pipe', onData }, seen };
  }

  void test('are told to the spawner by their kinds, and their data is waited for', async () => {
    const spawner = await FakeSpawner.launched();
    const [one, two] = [collected(), collected()];
    const step = spawner.step({}, [one.further, { kind: 'readOnlyFile', descriptor: 9 }, two.further]);
    assert.deepEqual(spawner.ofKind('start')[0]?.['further'], ['OUTPUT_PIPE', 'READ_ONLY_FILE', 'OUTPUT_PIPE']);
    assert.ok(spawner.calls.includes('resume 3') && spawner.calls.includes('resume 4'));
    spawner.output(4, 'second');
    spawner.output(3, null);
    assert.deepEqual(one.seen, [], 'the end may be that of the spawner');
    finish(spawner, 1);
    assert.deepEqual(one.seen, [null]);
    assert.ok(spawner.calls.includes('drain 4') && !spawner.calls.includes('drain 3'));
    let settled = false;
    void step.result.then(() => (settled = true));
    await sleep(1);
    assert.equal(settled, false);
    spawner.output(4, 'last');
    spawner.output(4, null);
    assert.equal((await step).ok, true);
    assert.deepEqual(two.seen, ['second', 'last', null]);
  });

  void test('that are pipes are dropped, and end in nothing, when the step fails', async () => {
    const spawner = await FakeSpawner.launched();
    const { further, seen } = collected();
    const step = spawner.step({}, [further]);
    spawner.output(3, 'part');
    spawner.say({
      failed: { stepId: 1, stage: 'FURTHER', errno: constants.errno.ESTALE, path: Buffer.from('/data/table') },
    });
    await assert.rejects(step.result, { code: 'ERR_TABLE', path: '/data/table', errno: constants.errno.ESTALE });
    assert.ok(spawner.calls.includes('drop 3'));
    assert.deepEqual(seen, ['part']);
  });

  void test('that are pipes share the limit of output', async () => {
    const spawner = await FakeSpawner.launched();
    const { further, seen } = collected();
    const step = spawner.step({ limits: { output: 10 } }, [further]);
    spawner.output(1, 'seven..');
    spawner.output(3, 'four');
    spawner.output(3, 'more');
    assert.deepEqual(spawner.ofKind('kill')[0]?.['cause'], 'OUTPUT_LIMIT');
    finish(spawner, 1, { signal: 9, cause: 'OUTPUT_LIMIT' });
    spawner.output(3, null);
    assert.equal((await step).cause, 'outputLimit');
    assert.deepEqual(seen, ['fou', null]);
  });

  void test('end when the step was never sent', async () => {
    const spawner = await FakeSpawner.launched();
    const { further, seen } = collected();
    spawner.refuse = EAGAIN;
    const step = spawner.step({}, [further]);
    step.kill();
    assert.equal((await step).cause, 'killed');
    assert.deepEqual(seen, [null]);
  });
});

void describe('policies', () => {
  void test('that were not used lately are forgotten, but never one that is in use', async () => {
    const spawner = await FakeSpawner.launched();
    const first = spawner.step();
    for (let count = 2; count <= 40; count++) {
      const step = spawner.step({ user: { uid: count } });
      finish(spawner, count);
      await step;
    }
    assert.equal(spawner.ofKind('define').length, 40);
    assert.equal(spawner.ofKind('forget').length, 8);
    assert.ok(!spawner.ofKind('forget').some(({ policyId }) => policyId === 1));
    finish(spawner, 1);
    await first;
  });
});

/** Streams have the numbers 2n - 1 and 2n, since every step of these tests has both. */
function finish(spawner: FakeSpawner, stepId: number, more: object = {}): void {
  spawner.exit(stepId, more);
  spawner.output(2 * stepId - 1, null);
  spawner.output(2 * stepId, null);
}
