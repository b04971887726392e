// Steps that take all there is: each is bounded by its limit and says by which, while others go on. `FAULT_FLOOD` is how many MiB one writes.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { closeSpawner, createSandbox, type SandboxOptions, spawnSandbox, type StepResult } from 'spawn-sandbox';
import { answerOf } from '../helpers/app.js';
import { processesWith, uniqueMarker } from '../helpers/marked-processes.js';
import { compileProbe, runOutside } from '../helpers/probe.js';
import { ANY_FORM } from '../helpers/weaker.js';
import { size } from './support/size.js';

const MEBIBYTE = 2 ** 20;
const FLOOD = size('FLOOD', { short: 256, long: 10_240 });
/** Beside a flood nothing may grow by more, however long it is. */
const MOST_GROWN = 96 * MEBIBYTE;

/** Runs to its end while others start and end; and when it has its result, nothing of it runs. */
async function besideOthers(
  program: string,
  verb: string,
  limits: NonNullable<SandboxOptions['limits']>,
): Promise<StepResult> {
  const marker = uniqueMarker();
  const sandbox = await createSandbox(ANY_FORM);
  try {
    let isOver = false as boolean;
    const hostile = spawnSandbox(program, [verb, marker], { ...ANY_FORM, limits }).result.finally(
      () => (isOver = true),
    );
    let others = 0;
    do {
      const name = `other ${++others}`;
      const steps = [spawnSandbox('echo', [name], ANY_FORM), sandbox.spawn('echo', [name])];
      for (const step of steps) {
        const { ok, stdout, detail } = await step;
        assert.deepEqual([ok, stdout], [true, `${name}\n`], detail);
      }
    } while (!isOver);
    const result = await hostile;
    assert.deepEqual(processesWith(marker), [], 'nothing of it is left');
    return result;
  } finally {
    await sandbox.destroy();
  }
}

/** An app of its own reads a flood; how much more memory it and its spawner have at the highest than before, and what it read. */
const FLOODED = `
  import { readFileSync } from 'node:fs';
  import { closeSpawner, spawnSandbox } from 'spawn-sandbox';
  import { spawnersOf } from './build/test/helpers/marked-processes.js';
  const options = { allowWeaker: ['memory', 'processes', 'cpu', 'uid', 'groups'], collect: '1MiB', limits: { output: Infinity, wallTime: Infinity } };
  const flood = (bytes) => spawnSandbox('head', ['-c', String(bytes), '/dev/zero'], options);
  await flood(128 * 2 ** 20);
  const [spawner] = spawnersOf(process.pid);
  const memory = () => [process.pid, spawner].map((pid) => Number(/^VmRSS:\\s+(\\d+)/m.exec(readFileSync('/proc/' + pid + '/status', 'utf8'))[1]) * 1024);
  const before = memory();
  const most = [...before];
  const timer = setInterval(() => memory().forEach((bytes, index) => (most[index] = Math.max(most[index], bytes))), 20);
  const step = flood(Number(process.env.BYTES));
  let bytes = 0;
  step.stdout.on('data', (chunk) => (bytes += chunk.length));
  const { ok, truncated, stdout } = await step;
  clearInterval(timer);
  const next = await spawnSandbox('echo', ['next'], options);
  await closeSpawner();
  console.log(JSON.stringify({ ok, truncated, kept: stdout.length, bytes, grown: most.map((value, index) => value - before[index]), next: next.stdout }));`;

void suite('a step that takes all there is', { timeout: 400_000 }, () => {
  const program = compileProbe('greedy') ?? '';
  const needsCompiler = { skip: program === '' ? 'gcc not found: apt-get install -y gcc libc6-dev' : false };

  void test(`floods stdout with ${FLOOD} MiB: they all arrive, and the memory of app and spawner is flat`, async (context) => {
    const env = { BYTES: String(FLOOD * MEBIBYTE) };
    const answer = (await answerOf(context, FLOODED, { env, within: 350_000 })) as {
      readonly grown: readonly [number, number];
    };
    const { grown, ...rest } = answer;
    const expected = { ok: true, truncated: true, kept: MEBIBYTE, bytes: FLOOD * MEBIBYTE, next: 'next\n' };
    assert.deepEqual(rest, expected);
    const [app, spawner] = grown.map((bytes) => Math.round(bytes / 1024));
    context.diagnostic(`flood: ${FLOOD} MiB of stdout; the app has grown by ${app} KiB, the spawner by ${spawner} KiB`);
    assert.ok(grown[0] < MOST_GROWN && grown[1] < MEBIBYTE, grown.join());
  });

  void test('floods it beyond its limit: that ends it, whoever reads', async () => {
    const limits = { output: '8MiB' };
    const { cause, limitsHit, stdout } = await spawnSandbox('cat', ['/dev/zero'], { ...ANY_FORM, limits });
    assert.deepEqual([cause, limitsHit, stdout.length], ['outputLimit', [], 8 * MEBIBYTE]);
  });

  void test('opens everything, in many processes: each has what its limit says', needsCompiler, async () => {
    assert.match(runOutside(program, ['open']), /^14 of 14/, 'the control: outside it opens until it may no more, too');
    const { ok, stdout, enforced, detail } = await besideOthers(program, 'open', { openFiles: 512, memory: '1GiB' });
    // Where memory is watched there are no files in memory: nobody would see them.
    const full = enforced.memory.by === 'watched' ? 12 : 14;
    assert.deepEqual([ok, stdout], [true, `${full} of 14\n`], detail);
  });

  void test('forks without end: no more than its limit at once, until its time is over', needsCompiler, async () => {
    const limits = { processes: 32, wallTime: '2s' };
    const { cause, stdout, usage, detail } = await besideOthers(program, 'fork', limits);
    assert.deepEqual([cause, stdout], ['wallTimeout', 'up\n'], detail);
    if (usage.peakProcesses !== undefined) assert.ok(usage.peakProcesses <= 32 + 1, `${usage.peakProcesses} processes`);
  });

  void test(
    'fills its scratch space, with bytes and with inodes: that is full, and nobody else’s',
    needsCompiler,
    async () => {
      const { ok, stdout, limitsHit, detail } = await besideOthers(program, 'fill', { scratch: '16MiB' });
      assert.deepEqual([ok, stdout, limitsHit], [true, 'full\n', ['scratch']], detail);
    },
  );

  void test('spins in every thread: its processor time is counted for all of them', needsCompiler, async () => {
    const limits = { processes: 16, cpuTime: '1s', wallTime: '60s' };
    const { cause, stdout, usage, detail } = await besideOthers(program, 'spin', limits);
    assert.equal(cause, 'cpuTimeout', detail);
    const threads = Number(stdout);
    assert.ok(threads > 8 && threads <= 16, `${threads} threads`);
    assert.ok((usage.userCpuMs ?? 1000) + (usage.systemCpuMs ?? 0) >= 900, JSON.stringify(usage));
  });

  void test('stops itself: its deadlines go on', needsCompiler, async () => {
    const byWallTime = await besideOthers(program, 'stop-itself', { wallTime: '500ms' });
    assert.deepEqual([byWallTime.cause, byWallTime.stdout], ['wallTimeout', 'up\n'], byWallTime.detail);
    const byIdleTime = await besideOthers(program, 'stop-itself', { idleTime: '500ms' });
    assert.deepEqual([byIdleTime.cause, byIdleTime.stdout], ['idleTimeout', 'up\n'], byIdleTime.detail);
  });

  void test('stops all that it can reach: nobody of another sandbox', needsCompiler, async () => {
    const { cause, stdout, detail } = await besideOthers(program, 'stop-all', { wallTime: '500ms' });
    assert.deepEqual([cause, stdout], ['wallTimeout', 'up\n'], detail);
  });

  void test('stops its siblings: they end in their time, and their sandbox can be ended', needsCompiler, async () => {
    const sandbox = await createSandbox(ANY_FORM);
    const limits = { wallTime: '1s' };
    const sibling = sandbox.spawn('sh', ['-c', 'echo up; while :; do sleep 0.05; done'], { limits });
    for await (const line of sibling) if (line === 'up') break;
    const hostile = sandbox.spawn('python3', ['-c', 'import os, signal; os.kill(-1, signal.SIGSTOP)'], { limits });
    assert.deepEqual([(await hostile).cause, (await sibling).cause], ['exit', 'wallTimeout']);
    assert.equal((await spawnSandbox('echo', ['other'], ANY_FORM)).stdout, 'other\n');
    await sandbox.destroy();
  });

  void test('leaves nothing', async () => {
    await closeSpawner();
    assert.deepEqual(processesWith(program), []);
  });
});
