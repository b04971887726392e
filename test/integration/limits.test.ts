import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { type LayerState, type SandboxOptions, spawnSandbox, type StepResult } from 'spawn-sandbox';
import { processesWith, spawnersOf, uniqueMarker, untilGone } from '../helpers/marked-processes.js';
import { stepProgram } from '../helpers/step-program.js';
import { ANY_FORM } from '../helpers/weaker.js';

const MEBIBYTE = 2 ** 20;
type Limits = NonNullable<SandboxOptions['limits']>;

void suite('limits', { timeout: 600_000 }, () => {
  const program = stepProgram({ after }, 'limits');
  let memory: LayerState;
  let cpu: LayerState;

  const limited = async (args: readonly string[], limits: Limits): Promise<StepResult> =>
    await spawnSandbox(program, args, { ...ANY_FORM, limits });
  const byCgroup = (layer: LayerState): boolean => layer.by?.startsWith('cgroup') === true;

  before(async () => {
    const { enforced } = await limited(['spin', '0'], { cpus: 1 });
    ({ memory, cpu } = enforced);
  });

  void test('memory is limited by what the machine is expected to have', () => {
    const expected = process.env['SPAWN_SANDBOX_TEST_MEMORY_BY'] ?? memory.by;
    assert.equal(memory.by, expected, memory.reason);
    assert.equal(memory.state, expected === 'watched' ? 'weaker' : 'enforced');
  });

  void test('a step that needs more memory than its limit ends by it', async () => {
    const result = await limited(['eat', '256'], { memory: '64MiB' });
    assert.deepEqual(
      [result.cause, result.status, result.scope, result.stdout, result.limitsHit],
      ['oom', -9, 'step', '', []],
      result.detail,
    );
    assert.ok((result.usage.peakMemoryBytes ?? 64 * MEBIBYTE) <= 66 * MEBIBYTE || !byCgroup(memory));
  });

  void test('a step ends by the memory limit also when only a grandchild needed too much', async () => {
    const result = await limited(['eat-below', '256'], { memory: '64MiB' });
    assert.deepEqual(
      [result.cause, result.status, result.scope, result.stdout],
      ['oom', -9, 'step', ''],
      result.detail,
    );
  });

  void test('what is ended for its memory after the main process has exited does not take back how that ended', async (context) => {
    let seen = 0;
    for (let round = 0; round < 30; round++) {
      const after = await limited(['eat-after', '300'], { memory: '32MiB' });
      // On v2 the kernel ends init, too, and older ones cannot tell then how the main process had ended.
      if (memory.by === 'cgroup v2' && after.cause === 'oom') continue;
      assert.deepEqual([after.cause, after.status], ['exit', 0], after.detail);
      if (after.limitsHit.length === 0) continue; // init was faster
      seen++;
      assert.deepEqual(after.limitsHit, ['memory']);
      assert.match(after.detail, /^Exited with status 0; afterwards what it left behind exceeded the memory limit; /);
    }
    context.diagnostic(`seen ${seen} times`);
    if (memory.by === 'cgroup v1') assert.ok(seen > 0, 'the control: it happens');
    for (let round = 0; round < 10; round++) {
      const before = await limited(['exit-after', '300'], { memory: '32MiB' });
      // What is watched is looked at only now and then.
      if (memory.by === 'watched') continue;
      assert.deepEqual([before.cause, before.status, before.limitsHit], ['oom', -9, []], before.detail);
    }
  });

  void test('files in the scratch space count as memory', async () => {
    const script = 'dd if=/dev/zero of=file bs=1M count=100; echo whole';
    const limits = { memory: '64MiB', scratch: '256MiB' };
    const result = await spawnSandbox('sh', ['-c', script], { ...ANY_FORM, cwd: '/tmp', limits });
    assert.deepEqual([result.cause, result.scope], ['oom', 'step'], result.detail);
  });

  void test('a step that stays below its memory limit is left alone, and its peak is told', async () => {
    const { ok, usage, detail } = await limited(['eat', '100'], { memory: '160MiB' });
    assert.ok(ok, detail);
    assert.ok(usage.peakMemoryBytes !== undefined);
    assert.ok(
      usage.peakMemoryBytes >= 100 * MEBIBYTE && usage.peakMemoryBytes < 124 * MEBIBYTE,
      `${usage.peakMemoryBytes}`,
    );
  });

  void test('nothing of a step is left in what the next one is limited by and measured with', async () => {
    for (let round = 0; round < 2; round++) {
      assert.equal((await limited(['eat', '64'], { memory: '32MiB' })).cause, 'oom');
      const larger = await limited(['eat', '64'], { memory: '128MiB' });
      assert.ok(larger.ok, larger.detail);
      const smaller = await limited(['spin', '20'], { memory: '256MiB' });
      assert.deepEqual([smaller.ok, smaller.limitsHit], [true, []]);
      assert.ok((smaller.usage.peakMemoryBytes ?? 0) < 32 * MEBIBYTE, `${smaller.usage.peakMemoryBytes}`);
      assert.ok((smaller.usage.userCpuMs ?? 0) + (smaller.usage.systemCpuMs ?? 0) < 500);
    }
  });

  void test('a neighbour is not the one that the kernel ends', async () => {
    const neighbours = [1, 2, 3].map(() => limited(['eat', '30'], { memory: '64MiB' }));
    const greedy = [1, 2, 3].map(() => limited(['eat', '256'], { memory: '64MiB' }));
    for (const { ok, detail } of await Promise.all(neighbours)) assert.ok(ok, detail);
    for (const { cause } of await Promise.all(greedy)) assert.equal(cause, 'oom');
  });

  void test('fork fails with EAGAIN beyond the limit of processes', async () => {
    const { ok, stdout, limitsHit, enforced } = await limited(['fork-all', '100'], { processes: 20 });
    const [made, why] = String(stdout).trim().split(' ');
    assert.deepEqual([ok, why], [true, 'EAGAIN']);
    assert.ok(Number(made) >= 15 && Number(made) < 20, made);
    if (byCgroup(enforced.processes)) assert.deepEqual(limitsHit, ['processes']);
  });

  void test('as many processes as the limit says can be had', async () => {
    const { stdout, limitsHit } = await limited(['fork-all', '15'], { processes: 20 });
    assert.deepEqual([stdout, limitsHit], ['15 all\n', []]);
  });

  void test('half a processor gives half a second of processor time in a second', async (context) => {
    if (!byCgroup(cpu)) {
      context.skip('no cgroup limits the use of processors here');
      return;
    }
    const { ok, usage } = await limited(['spin', '1000'], { cpus: 0.5 });
    const used = (usage.userCpuMs ?? 0) + (usage.systemCpuMs ?? 0);
    assert.ok(ok && used > 200 && used < 750, `${used} ms`);
  });

  void test('a step that uses more processor time than its limit ends by it', async () => {
    const { cause, status, usage } = await limited(['spin', '30000'], { cpuTime: '400ms' });
    const used = (usage.userCpuMs ?? 0) + (usage.systemCpuMs ?? 0);
    assert.deepEqual([cause, status], ['cpuTimeout', -9]);
    if (byCgroup(memory)) assert.ok(used >= 400 && used < 1500, `${used} ms`);
  });

  void test('a step that takes longer than its limit ends by it', async () => {
    const { cause, status, usage } = await limited(['scatter', 'late'], { wallTime: '300ms' });
    assert.deepEqual([cause, status], ['wallTimeout', -9]);
    assert.ok(usage.wallTimeMs >= 300 && usage.wallTimeMs < 2000, `${usage.wallTimeMs} ms`);
  });

  void test('killing ends every process: of other sessions, orphans, stopped ones, and those deaf to signals', async () => {
    const marker = uniqueMarker();
    const step = spawnSandbox(program, ['scatter', marker], ANY_FORM);
    for await (const line of step) {
      assert.equal(line, 'scattered');
      break;
    }
    assert.equal(processesWith(marker).length, 5);
    step.kill();
    await untilGone(marker, 2000);
    const { cause, status } = await step;
    assert.deepEqual([cause, status], ['killed', -9]);
  });

  void test('the spawner uses no processor time while nothing happens', async () => {
    const step = spawnSandbox(program, ['scatter', 'idle'], ANY_FORM);
    for await (const line of step) {
      assert.equal(line, 'scattered');
      break;
    }
    // Where memory is watched it looks again and again as long as a step runs.
    if (memory.by === 'watched') step.kill();
    await new Promise((resolve) => setTimeout(resolve, 1000)); // the pool fills up
    const before = spawnerCpuMs();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const used = spawnerCpuMs() - before;
    step.kill();
    await step;
    assert.ok(used <= 100, `${used} ms`);
  });

  void test('a step with a small share of the processors is gone as soon as any other', async (context) => {
    if (!byCgroup(cpu)) {
      context.skip('nothing limits the share here');
      return;
    }
    const marker = uniqueMarker();
    const script = 'for i in 1 2 3 4 5 6 7 8; do (while :; do :; done) & done; echo running; wait';
    const step = spawnSandbox('sh', ['-c', script, marker], { ...ANY_FORM, limits: { cpus: 0.02 } });
    for await (const line of step) if (line === 'running') break;
    step.kill();
    const { cause } = await step;
    assert.equal(cause, 'killed');
    // With its own share to end by, it took 7 to 19 seconds.
    await untilGone(marker, 2000);
  });
});

function spawnerCpuMs(): number {
  const [spawner = 0] = spawnersOf(process.pid);
  const [user, system] = readFileSync(`/proc/${spawner}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
    .slice(11, 13);
  // Told in hundredths of a second, whatever the kernel's own tick is.
  return (Number(user) + Number(system)) * 10;
}
