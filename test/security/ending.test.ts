import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type SandboxOptions, spawnSandbox, type StepResult } from 'spawn-sandbox';
import { compileProbe } from '../helpers/probe.js';

const SHORT: SandboxOptions = { limits: { wallTime: '700ms' } };

void suite('ways to hold up, outlive or belie the end', () => {
  const program = compileProbe('linger');
  const options = {
    skip: program === undefined ? 'gcc not found: apt-get install -y gcc libc6-dev' : false,
    timeout: 60_000,
  };
  const linger = (args: readonly string[], settings?: SandboxOptions) => spawnSandbox(program ?? '', args, settings);

  void test('no signal, however it is sent, reaches init', options, async () => {
    const result = await linger(['signals-to-init']);
    assert.deepEqual([result.cause, result.status, result.stdout], ['exit', 0, 'init lives\n']);
    const killed = await linger(['wait'], SHORT);
    assert.equal(killed.cause, 'wallTimeout', 'the control: the spawner’s signal reaches it');
  });

  void test('init cannot be slowed down', options, async () => {
    assert.equal((await linger(['hamper-init'])).stdout, '-1 -1 -1 -1\n');
    const own = await spawnSandbox('sh', ['-c', 'nice -n 19 true && echo slower']);
    assert.equal(own.stdout, 'slower\n', 'the control: oneself can');
  });

  void test('a step that ends all that it can reach ends itself at most', options, async () => {
    const result = await linger(['end-all-others']);
    assert.deepEqual([result.cause, result.stdout], ['exit', 'alone\n']);
  });

  for (const way of ['stop', 'vfork-and-stop', 'zombies', 'wait']) {
    void test(`a step that can only ${way} ends when its time is over`, options, async () => {
      const result = await linger([way], SHORT);
      assert.deepEqual([result.cause, result.status, result.stdout], ['wallTimeout', -9, 'ready\n']);
      assertSoon(result, 700);
    });
  }

  void test('children that fork without end, while the main process ends, end with it', options, async () => {
    const result = await linger(['fork-while-ending']);
    assert.deepEqual([result.cause, result.stdout], ['exit', 'ended\n']);
    assert.match(result.detail, /left behind were ended/, 'the control: there were some');
    assertSoon(result, 100);
  });

  void test('children that hold stdout open and hear nothing do not hold up the result', options, async () => {
    const result = await linger(['hold-stdout']);
    assert.deepEqual([result.cause, result.status, result.stdout], ['exit', 0, 'ended\n']);
    assert.match(result.detail, /4 processes that it left behind/);
    assertSoon(result, 0);
  });

  void test('a step that closes its streams is waited for', options, async () => {
    const result = await linger(['close-stdout']);
    assert.equal(result.status, 7);
    assert.ok(result.usage.wallTimeMs >= 300);
  });

  void test('what a step does to its own pipes hurts only itself', options, async () => {
    assert.deepEqual((await linger(['steal-stdout'])).cause, 'exit');
    const after = await spawnSandbox('echo', ['as ever']);
    assert.equal(after.stdout, 'as ever\n');
  });

  void test('single bytes of output cost the app no multiple of them', options, async () => {
    const count = 200_000;
    const before = process.memoryUsage().rss;
    const result = await linger(['drip', String(count)]);
    assert.equal(result.stdout.length, count);
    const grown = (process.memoryUsage().rss - before) / 2 ** 20;
    assert.ok(grown < 60, `${Math.round(grown)} MiB for ${count} bytes`);
  });

  void test('a hundred processes that never sleep are gone soon after a kill', options, async () => {
    const step = linger(['spin-all', '100']);
    for await (const line of step) if (line === 'ready') break;
    const started = performance.now();
    step.kill();
    const result = await step;
    assert.equal(result.cause, 'killed');
    assert.ok(performance.now() - started < 3000, `${Math.round(performance.now() - started)} ms`);
  });

  void test('abstract sockets do not lead from one sandbox to another', options, async () => {
    const waits = linger(['abstract', 'wait']);
    for await (const line of waits) if (line === 'ready') break;
    assert.equal((await linger(['abstract', 'call'])).stdout, 'nobody\n');
    const both = await spawnSandbox('sh', ['-c', `"$0" abstract wait >/dev/null & "$0" abstract call`, program ?? ''], {
      filesystem: { readOnly: [program ?? ''] },
    });
    assert.equal(both.stdout, 'connected\n', 'the control: within one they do');
    await waits;
  });
});

/** The kernel takes the sandbox down at once; the rest is a busy machine. */
function assertSoon(result: StepResult, afterMs: number): void {
  const { wallTimeMs } = result.usage;
  assert.ok(wallTimeMs < afterMs + 2500, `${Math.round(wallTimeMs)} ms`);
}
