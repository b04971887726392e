import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { closeSpawner, configureSpawner, spawnSandbox, type Step } from 'spawn-sandbox';
import { answerOf } from '../helpers/app.js';
import {
  countDescriptors,
  descendantsOf,
  exists,
  type ProcessId,
  spawnersOf,
  uniqueMarker,
  untilGone,
} from '../helpers/marked-processes.js';
import { stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';

const DIED = { name: 'SandboxError', code: 'ERR_SPAWNER_DIED' };

/** A step that runs until it is ended, and something that outlives its main process. In an array, because a step itself can be awaited. */
async function runningStep(marker = uniqueMarker()): Promise<readonly [Step]> {
  const step = spawnSandbox('sh', ['-c', '(setsid -f sh -c "sleep 1000; :" $0); echo ready; sleep 1000', marker]);
  for await (const line of step) if (line === 'ready') return [step];
  return assert.fail((await step).detail);
}

function onlySpawner(): number {
  const spawners = spawnersOf(process.pid);
  assert.equal(spawners.length, 1, `spawners: ${spawners.join(' ')}`);
  return spawners[0] as number;
}

function codeOf(error: unknown): string {
  return (error as { readonly code: string }).code;
}

function freshState(context: TestContext): string {
  return join(temporaryDirectory(context), 'state');
}

void suite('a spawner that dies', () => {
  void test('by SIGKILL: its steps reject on every surface, nothing survives, and the next step starts another', async () => {
    const marker = uniqueMarker();
    const [awaited] = await runningStep(marker);
    const [iterated] = await runningStep(marker);
    const rest = (async () => {
      for await (const line of iterated.lines()) assert.equal(line, 'ready');
    })();
    const spawner = onlySpawner();
    const below = descendantsOf(spawner);
    process.kill(spawner, 'SIGKILL');
    await assert.rejects(awaited.result, DIED);
    await assert.rejects(rest, DIED);
    await assert.rejects(iterated.result, { ...DIED, message: /The spawner was ended by SIGKILL/ });
    await untilGone(marker, 2000);
    await until('all below it is gone', () => !below.some(exists));
    assert.equal(await stdoutOf('echo', ['again']), 'again');
    assert.notEqual(onlySpawner(), spawner);
  });

  void test('while steps are queued and started: each of them ends, in one way or the other', async () => {
    const steps = Array.from({ length: 40 }, () => spawnSandbox('sh', ['-c', 'sleep 0.02']).result);
    await Promise.race(steps);
    process.kill(onlySpawner(), 'SIGKILL');
    for (const step of await Promise.allSettled(steps)) {
      if (step.status === 'fulfilled') assert.equal(step.value.ok, true);
      else assert.equal((step.reason as { readonly code?: string }).code, DIED.code);
    }
    assert.equal(await stdoutOf('echo', ['again']), 'again');
  });

  void test('before the app could notice: what is started then hears how it ended, and who tries again at once gets another', async () => {
    await stdoutOf('true');
    const spawner = onlySpawner();
    process.kill(spawner, 'SIGKILL');
    // Nothing is heard of in this thread meanwhile.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    const [first, second] = [spawnSandbox('true').result, stdoutOf('echo', ['again'])];
    await assert.rejects(first, { ...DIED, message: /The spawner was ended by SIGKILL/ });
    assert.equal(await second, 'again');
    assert.notEqual(onlySpawner(), spawner);
  });

  void test('does not keep an app from its event loop that tries again and again', async () => {
    await stdoutOf('true');
    process.kill(onlySpawner(), 'SIGKILL');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    const deadline = performance.now() + 5000;
    let tries = 0;
    for (let outcome = ''; outcome !== 'done' && performance.now() < deadline; tries++) {
      outcome = await stdoutOf('echo', ['done']).catch(codeOf);
      if (outcome !== 'done') assert.equal(outcome, DIED.code);
    }
    assert.ok(tries <= 2, `${tries} tries`);
  });

  void test('again and again leaves no descriptors open in the app', async () => {
    await stdoutOf('true');
    const before = countDescriptors(process.pid);
    for (let round = 0; round < 5; round++) {
      const [step] = await runningStep();
      process.kill(onlySpawner(), 'SIGKILL');
      await assert.rejects(step.result, DIED);
      await stdoutOf('true');
    }
    await until('descriptors are closed', () => countDescriptors(process.pid) <= before + 2);
  });

  void test('by SIGTERM or SIGINT is no different, but ^C of a terminal does not end it', async () => {
    const [step] = await runningStep();
    process.kill(onlySpawner(), 'SIGINT');
    process.kill(onlySpawner(), 'SIGTERM');
    await assert.rejects(step.result, DIED);
  });

  void test('is not one whose makers die: the next steps get another one, and none of them fails', async () => {
    await stdoutOf('true');
    const spawner = onlySpawner();
    for (let round = 0; round < 5; round++) {
      const makers = makersOf(spawner);
      assert.ok(makers.length > 0);
      makers.forEach(kill);
      await until('the makers are gone', () => !makers.some(exists));
      const steps = Array.from({ length: 10 }, () => stdoutOf('echo', ['again']));
      assert.deepEqual(new Set(await Promise.all(steps)), new Set(['again']));
    }
    assert.equal(onlySpawner(), spawner);
  });

  void test('nor do steps fail that wait for a maker that dies', async () => {
    await stdoutOf('true');
    const spawner = onlySpawner();
    const steps = Array.from({ length: 40 }, () => stdoutOf('echo', ['done']).catch(codeOf));
    makersOf(spawner).forEach(kill);
    // What ran when its maker died ended with it.
    const lost = (await Promise.all(steps)).filter((outcome) => outcome !== 'done');
    assert.deepEqual(new Set(lost), new Set(lost.length === 0 ? [] : ['ERR_STEP_LOST']));
    assert.ok(lost.length < 20, `${lost.length} lost`);
    assert.equal(onlySpawner(), spawner);
  });

  void test('but when one maker dies after the other, the step is told', async () => {
    await stdoutOf('true');
    const spawner = onlySpawner();
    // Its own policy, so that nothing is ready. Nothing else happens in this thread, so that no maker gets far.
    const killing = async (round: number): Promise<unknown> => {
      const outcome = stdoutOf('echo', ['again'], { limits: { scratch: 2 ** 20 + round * 4096 } }).catch(codeOf);
      for (const end = performance.now() + 300; performance.now() < end;) makersOf(spawner).forEach(kill);
      return await outcome;
    };
    let round = 0;
    // Both makers have to die in their first moments: on a busy machine that takes many tries.
    await until('a step fails', async () => (await killing(++round)) === DIED.code, { within: 60_000 });
    assert.equal(await stdoutOf('echo', ['again'], { limits: { scratch: 2 ** 20 + round * 4096 } }), 'again');
    assert.equal(onlySpawner(), spawner);
    await closeSpawner();
  });
});

/** One that has ended meanwhile is passed over. */
function kill({ pid }: ProcessId): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    assert.equal(codeOf(error), 'ESRCH');
  }
}

function makersOf(spawner: number): readonly ProcessId[] {
  return descendantsOf(spawner).filter(({ parent }) => parent === spawner);
}

void suite('closeSpawner()', () => {
  void test('ends running steps as destroyed, and the spawner with all that was below it', async () => {
    const marker = uniqueMarker();
    const steps = [...(await runningStep(marker)), ...(await runningStep(marker))];
    const spawner = onlySpawner();
    const below = descendantsOf(spawner);
    await closeSpawner();
    assert.deepEqual(spawnersOf(process.pid), []);
    for (const step of steps) {
      const { cause, status, detail } = await step;
      assert.deepEqual([cause, status], ['destroyed', -9], detail);
    }
    await until('all below it is gone', () => !below.some(exists));
    await untilGone(marker, 100);
  });

  void test('without a spawner, twice, and at once again is fine', async () => {
    await closeSpawner();
    await closeSpawner();
    await stdoutOf('true');
    await Promise.all([closeSpawner(), closeSpawner(), closeSpawner()]);
    assert.deepEqual(spawnersOf(process.pid), []);
  });

  void test('is no end: a later step starts another spawner', async () => {
    await closeSpawner();
    assert.equal(await stdoutOf('echo', ['again']), 'again');
  });

  void test('while another one closes a step can start already', async () => {
    await stdoutOf('true');
    const closed = closeSpawner();
    const step = spawnSandbox('echo', ['already']);
    await closed;
    assert.equal((await step).stdout, 'already\n');
  });

  void test('ends steps that have not been started yet', async () => {
    const steps = Array.from({ length: 10 }, () => spawnSandbox('sleep', ['1000']));
    await closeSpawner();
    for (const step of steps) assert.equal((await step).cause, 'destroyed');
  });
});

void suite('configureSpawner()', () => {
  void test('comes too late when the spawner runs, and is fine after closeSpawner()', async (context) => {
    await stdoutOf('true');
    const stateDirectory = freshState(context);
    assert.throws(
      () => {
        configureSpawner({ stateDirectory });
      },
      { code: 'ERR_INVALID_OPTION', message: /too late/ },
    );
    await closeSpawner();
    configureSpawner({ stateDirectory });
    assert.equal(await stdoutOf('echo', ['configured']), 'configured');
    await closeSpawner();
    configureSpawner({});
  });

  void test('refuses what it does not know', () => {
    assert.throws(
      () => {
        configureSpawner({ maxConcurent: 1 } as never);
      },
      { code: 'ERR_INVALID_OPTION' },
    );
    assert.throws(
      () => {
        configureSpawner({ stateDirectory: 'relative' });
      },
      { code: 'ERR_INVALID_OPTION' },
    );
  });

  void test('with a directory that cannot be used is told to every step', async (context) => {
    const code = `
      import { configureSpawner, spawnSandbox } from 'spawn-sandbox';
      configureSpawner({ stateDirectory: '/proc/no-such-directory/state' });
      const codes = [];
      for (let i = 0; i < 2; i++) codes.push(await spawnSandbox('true').result.catch(({ code, path }) => [code, path]));
      console.log(JSON.stringify(codes));`;
    const expected = ['ERR_SPAWNER_START', '/proc/no-such-directory/state'];
    assert.deepEqual(await answerOf(context, code), [expected, expected]);
  });

  void test('maxConcurrent holds: no more steps run at once', async (context) => {
    const marker = uniqueMarker();
    const code = `
      import { configureSpawner, spawnSandbox } from 'spawn-sandbox';
      configureSpawner({ maxConcurrent: 3, stateDirectory: process.env.STATE });
      const spans = await Promise.all(Array.from({ length: 12 }, async () => {
        const step = spawnSandbox('sh', ['-c', 'date +%s%N; sleep 0.1; date +%s%N']);
        const { stdout } = await step;
        return stdout.trim().split('\\n').map(Number);
      }));
      const most = Math.max(...spans.map(([start]) => spans.filter(([from, to]) => from <= start && start <= to).length));
      console.log(JSON.stringify(most));`;
    const most = Number(await answerOf(context, code, { env: { STATE: freshState(context), MARKER: marker } }));
    assert.ok(most <= 3 && most >= 1, String(most));
  });
});

void suite('nothing that is resolved to is thenable', () => {
  void test('a result has no then, a step has one', async () => {
    const step = spawnSandbox('true');
    assert.equal(typeof step.then, 'function');
    assert.equal('then' in (await step), false);
  });
});
