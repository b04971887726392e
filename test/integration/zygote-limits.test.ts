// What bounds a step of a zygote, and who else is touched by it. With the runtime of a page (test/steps/runtime.c), which is the
// same on every architecture.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import {
  closeSpawner,
  configureSpawner,
  createZygote,
  type LayerState,
  type SandboxOptions,
  type Step,
  type Zygote,
  type ZygoteOptions,
} from 'spawn-sandbox';
import { countCgroups, recordedCgroups } from '../helpers/cgroup-records.js';
import { nativeRuntime } from '../helpers/step-program.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';
import { ANY_FORM } from '../helpers/weaker.js';
import { theZygote, warmProcesses, zygotes } from '../helpers/zygote-processes.js';

const MEBIBYTE = 2 ** 20;
type Limits = NonNullable<SandboxOptions['limits']>;

void suite('the limits of a step of a zygote', { timeout: 600_000 }, () => {
  const program = nativeRuntime({ after });
  let zygote: Zygote;
  let memory: LayerState;
  let cpu: LayerState;

  const start = (own: Partial<ZygoteOptions> = {}) =>
    createZygote({ runtime: 'native', interpreter: program, ...ANY_FORM, ...own });
  const act = (word: string, argument: number, limits: Limits = {}): Step =>
    zygote.spawn({ code: word, args: [String(argument)] }, { limits });
  /** A step is a promise of its end, so it is made before. */
  const begun = async (step: Step): Promise<void> => {
    for await (const line of step) if (line === 'begun') break;
  };
  const byCgroup = (layer: LayerState): boolean => layer.by?.startsWith('cgroup') === true;

  before(async () => {
    zygote = await start({ parked: 1, limits: { memory: '64MiB' } });
    const { enforced } = await act('spin', 0, { cpus: 1 });
    ({ memory, cpu } = enforced);
  });
  after(() => zygote.destroy());

  void test('they are those that a command has here', () => {
    const expected = process.env['SPAWN_SANDBOX_TEST_MEMORY_BY'] ?? memory.by;
    assert.equal(memory.by, expected, memory.reason);
    assert.equal(memory.state, expected === 'watched' ? 'weaker' : 'enforced');
  });

  void test('memory ends the step, whichever of its processes took it, and nobody else', async () => {
    const pid = await theZygote(program);
    const neighbour = act('wait', 2000);
    await begun(neighbour);
    const greedy = ['eat', 'eat-below', 'eat'].map((word) => act(word, 256));
    const beside = act('eat', 30);
    for (const step of greedy) {
      const { cause, status, scope, stdout, limitsHit, detail } = await step;
      assert.deepEqual([cause, status, scope, stdout, limitsHit], ['oom', -9, 'step', '', []], detail);
    }
    assert.equal((await beside).stdout, 'full\n');
    assert.deepEqual([(await neighbour).cause, (await neighbour).stdout], ['exit', 'begun\nwaited\n']);
    assert.equal(await theZygote(program), pid, 'it is the same');
  });

  void test('a zygote that takes too much memory ends alone: its steps go on, and another is made', async () => {
    const pid = await theZygote(program);
    const neighbour = act('wait', 60_000);
    await begun(neighbour);
    process.kill(pid, 'SIGUSR1');
    await until('another serves', () => zygotes(program).some((other) => other !== pid), { within: 60_000 });
    assert.equal((await act('eat', 1)).stdout, 'full\n');
    assert.equal(warmProcesses(program).filter((one) => one.pid === pid).length, 0);
    neighbour.kill();
    assert.deepEqual([(await neighbour).cause, (await neighbour).stdout], ['killed', 'begun\n']);
  });

  void test('its use is told, and is that of no other step', async () => {
    for (let round = 0; round < 2; round++) {
      const { usage, ok, detail } = await act('eat', 100, { memory: '160MiB' });
      assert.ok(ok, detail);
      const peak = usage.peakMemoryBytes ?? 0;
      assert.ok(peak >= 100 * MEBIBYTE && peak < 124 * MEBIBYTE, `${peak}`);
      const small = (await act('spin', 100)).usage;
      assert.ok((small.peakMemoryBytes ?? 0) < 32 * MEBIBYTE, `${small.peakMemoryBytes}`);
      const used = (small.userCpuMs ?? 0) + (small.systemCpuMs ?? 0);
      assert.ok(used >= 95 && used < 500, `${used} ms`);
    }
  });

  void test('fork fails with EAGAIN beyond the limit of processes, for this step only', async () => {
    const neighbour = act('wait', 60_000);
    await begun(neighbour);
    const { stdout, limitsHit, enforced } = await act('fork-all', 100, { processes: 20 });
    const [made, why] = String(stdout).trim().split(' ');
    assert.equal(why, 'EAGAIN');
    assert.ok(Number(made) >= 15 && Number(made) < 20, made);
    if (byCgroup(enforced.processes)) assert.deepEqual(limitsHit, ['processes']);
    assert.equal((await act('fork-all', 15, { processes: 20 })).stdout, '15 all\n');
    neighbour.kill();
    await neighbour;
  });

  void test('half a processor gives half a second of processor time in a second', async (context) => {
    if (!byCgroup(cpu)) {
      context.skip('no cgroup limits the use of processors here');
      return;
    }
    const { ok, usage } = await act('spin', 500, { cpus: 0.5 });
    assert.ok(ok && usage.wallTimeMs > 700, `${usage.wallTimeMs} ms`);
  });

  void test('time ends it: by the clock and by the processor', async () => {
    for (const [word, limits, expected] of [
      ['wait', { wallTime: '300ms' }, 'wallTimeout'],
      ['spin', { cpuTime: '300ms' }, 'cpuTimeout'],
    ] as const) {
      const { cause, status, usage } = await act(word, 60_000, limits);
      assert.deepEqual([cause, status], [expected, -9]);
      assert.ok(usage.wallTimeMs >= 290 && usage.wallTimeMs < 3000, `${usage.wallTimeMs} ms`);
    }
  });

  void test('a stopped zygote delays no kill, no deadline, no limit and no end', async () => {
    const [killed, timed, exits] = [act('wait', 60_000), act('wait', 60_000, { wallTime: '1s' }), act('wait', 1000)];
    for (const step of [killed, timed, exits]) await begun(step);
    await act('spin', 0); // at its end another is parked
    await until('one is', () => warmProcesses(program).length === 5);
    const pid = await theZygote(program);
    process.kill(pid, 'SIGSTOP');
    killed.kill();
    assert.deepEqual([(await killed).cause, (await killed).status], ['killed', -9]);
    assert.deepEqual([(await timed).cause, (await timed).status], ['wallTimeout', -9]);
    assert.deepEqual([(await exits).cause, (await exits).status], ['exit', 0]);
    // Who comes after the parked one has to wait.
    const greedy = act('eat', 256);
    const waiting = Promise.all([1, 2, 3].map(() => act('eat', 1)));
    assert.equal((await greedy).cause, 'oom');
    process.kill(pid, 'SIGCONT');
    for (const { stdout } of await waiting) assert.equal(stdout, 'full\n');
  });

  void test('nothing is left of zygotes that were destroyed, nor of one that was replaced', async (context) => {
    await zygote.destroy();
    await closeSpawner();
    const stateDirectory = `${temporaryDirectory(context)}/state`;
    configureSpawner({ stateDirectory });
    zygote = await start({ parked: 3, recycle: { steps: 4 } });
    const first = await theZygote(program);
    for (let i = 0; i < 8; i++) assert.equal((await act('eat', 1)).stdout, 'full\n');
    await until('another serves', () => !zygotes(program).includes(first));
    const cgroups = recordedCgroups(stateDirectory);
    const before = countCgroups(cgroups);
    for (let i = 0; i < 4; i++) {
      const other = await start({ parked: 3 });
      const step = other.spawn({ code: 'wait', args: ['60000'] });
      await begun(step);
      await other.destroy();
      assert.equal((await step).cause, 'destroyed');
    }
    await zygote.destroy();
    assert.deepEqual(warmProcesses(program), []);
    await until('their cgroups are gone', () => countCgroups(cgroups) <= before);
    await closeSpawner();
    assert.deepEqual(recordedCgroups(stateDirectory), []);
  });
});
