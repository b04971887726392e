import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { suite, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Input, spawnSandbox } from 'spawn-sandbox';
import { run, stdoutOf } from '../helpers/run.js';

const MEBIBYTE = 2 ** 20;

async function* slowly(...pieces: readonly (string | Uint8Array)[]): AsyncGenerator<string | Uint8Array> {
  for (const piece of pieces) {
    await pause(5);
    yield piece;
  }
}

function* pieces(count: number, bytes: number): Generator<Buffer> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(bytes, i);
}

void suite('input', () => {
  const KINDS: readonly (readonly [kind: string, input: () => Input])[] = [
    ['a string', () => 'añb\n'],
    ['bytes', () => Buffer.from('añb\n')],
    ['an array of strings', () => ['a', 'ñ', 'b\n']],
    ['an array of bytes', () => [Buffer.from('a'), Buffer.from('ñb\n')]],
    ['a generator', () => new Set(['a', 'ñ', 'b\n']).values()],
    ['an async generator', () => slowly('añ', Buffer.from('b\n'))],
    ['a Readable', () => Readable.from([Buffer.from('añ'), Buffer.from('b\n')])],
  ];
  for (const [kind, input] of KINDS) {
    void test(`${kind} arrives, and then the end`, async () => {
      assert.equal((await run('cat', [], { input: input() })).stdout, 'añb\n');
    });
  }

  for (const [kind, input] of [
    ['a string', ''],
    ['bytes', Buffer.alloc(0)],
    ['an array', []],
  ] as const) {
    void test(`${kind} of nothing is the end at once`, async () => {
      assert.equal((await run('cat', [], { input })).stdout, '');
    });
  }

  void test('without input stdin is at its end', async () => {
    assert.equal(await stdoutOf('sh', ['-c', 'read line || echo end']), 'end');
  });

  void test("without stdin: 'pipe' there is no stdin to write to", async () => {
    const step = spawnSandbox('cat');
    assert.equal(step.stdin, null);
    await step;
  });

  void test('more than any pipe holds arrives unchanged', async () => {
    const bytes = Buffer.alloc(20 * MEBIBYTE, 'some text that is not regular in powers of two. ');
    const sum = createHash('sha256').update(bytes).digest('hex');
    assert.equal((await stdoutOf('sha256sum', [], { input: bytes })).split(' ')[0], sum);
    const all = createHash('sha256');
    for (const piece of pieces(200, 100_000)) all.update(piece);
    assert.equal((await stdoutOf('sha256sum', [], { input: pieces(200, 100_000) })).split(' ')[0], all.digest('hex'));
  });

  void test('a step that does not read its input is no error, small or large', async () => {
    for (const input of ['small', 'x'.repeat(5 * MEBIBYTE), pieces(100, 100_000), slowly('a', 'b', 'c')]) {
      const { ok, stdout } = await run('echo', ['fine'], { input });
      assert.deepEqual([ok, stdout], [true, 'fine\n']);
    }
  });

  void test('a step that reads a part of its input is no error', async () => {
    assert.equal(await stdoutOf('head', ['-c', '3'], { input: 'abc'.repeat(MEBIBYTE) }), 'abc');
  });

  void test('a source is not asked for more than the step takes', async () => {
    let asked = 0;
    const source = function* (): Generator<Buffer> {
      for (; asked < 1000; asked++) yield Buffer.alloc(100_000);
    };
    await run('sh', ['-c', 'sleep 0.3'], { input: source() });
    assert.ok(asked < 50, String(asked));
  });

  void test('a source without an end is left when the step reads no further, whether or not it goes on', async () => {
    const endless = function* (): Generator<string> {
      for (;;) yield 'text\n'.repeat(1000);
    };
    assert.equal(await stdoutOf('head', ['-n', '1'], { input: endless() }), 'text');
    const goesOn = 'head -n 1; exec <&-; sleep 0.3; echo still here';
    assert.equal(await stdoutOf('sh', ['-c', goesOn], { input: endless() }), 'text\nstill here');
  });

  void test('a source that fails ends the step and is told', async () => {
    const failing = async function* (): AsyncGenerator<string> {
      yield 'first\n';
      await pause(5);
      throw new Error('the source broke');
    };
    await assert.rejects(spawnSandbox('cat', [], { input: failing() }).result, (error: Error & { code?: string }) => {
      assert.deepEqual([error.name, error.code], ['SandboxError', 'ERR_INPUT']);
      assert.match(error.message, /the source broke/);
      assert.equal((error.cause as Error).message, 'the source broke');
      return true;
    });
  });

  void test('a source that throws when it is left is no error', async () => {
    const input = {
      [Symbol.asyncIterator]: () => ({
        next: () => pause(5, { done: false as const, value: 'a line\n' }),
        return: () => {
          throw new Error('at its end');
        },
      }),
    };
    assert.equal((await spawnSandbox('true', [], { input })).cause, 'exit');
  });

  void test('a source that never ends does not keep a step that has ended', async () => {
    const endless = new PassThrough();
    endless.write('text\n');
    assert.equal(await stdoutOf('head', ['-n', '1'], { input: endless }), 'text');
    assert.equal(endless.destroyed, true);
  });

  for (const [kind, input] of [
    ['a value', 'x'.repeat(2000)],
    ['pieces', ['x'.repeat(900), 'x'.repeat(900)]],
  ] as const) {
    void test(`${kind} longer than limits.input is refused, never cut`, async () => {
      const step = spawnSandbox('cat', [], { input, limits: { input: 1000 } });
      await assert.rejects(step.result, {
        name: 'SandboxError',
        code: 'ERR_INPUT',
      });
    });
  }

  void test('input of exactly limits.input is fine', async () => {
    assert.equal(
      (
        await run('cat', [], {
          input: 'x'.repeat(1000),
          limits: { input: 1000 },
        })
      ).stdout.length,
      1000,
    );
  });

  void test("input together with stdin: 'pipe' is a mistake", () => {
    assert.throws(() => spawnSandbox('cat', [], { input: 'x', stdin: 'pipe' }), { code: 'ERR_INVALID_OPTION' });
  });

  void test('input that is none of these is a mistake', () => {
    for (const input of [7, {}, null, true]) {
      assert.throws(() => spawnSandbox('cat', [], { input: input as never }), {
        code: 'ERR_INVALID_OPTION',
      });
    }
  });
});

void suite("stdin: 'pipe'", () => {
  void test('what is written arrives as it is written, and answers can be read meanwhile', async () => {
    const step = spawnSandbox('sh', ['-c', 'while read line; do echo "got $line"; done'], { stdin: 'pipe' });
    const answers = step.lines();
    for (const word of ['one', 'two', 'three']) {
      step.stdin?.write(`${word}\n`);
      assert.equal((await answers.next()).value, `got ${word}`);
    }
    step.stdin?.end();
    assert.equal((await answers.next()).done, true);
    assert.equal((await step).ok, true);
  });

  void test('it can be written before the step has started, and ended at once', async () => {
    const step = spawnSandbox('cat', [], { stdin: 'pipe' });
    step.stdin?.end('all of it');
    assert.equal((await step).stdout, 'all of it');
  });

  void test('a step that does not read holds the writer back', async () => {
    const step = spawnSandbox('sleep', ['1000'], { stdin: 'pipe' });
    let more = true;
    let written = 0;
    while (more && written < 100) {
      more = step.stdin?.write(Buffer.alloc(100_000)) ?? false;
      written++;
    }
    assert.equal(more, false);
    let drained = false;
    step.stdin?.once('drain', () => (drained = true));
    await pause(100);
    assert.equal(drained, false);
    step.kill();
    assert.equal((await step).cause, 'killed');
  });

  void test('writing to a step that has ended is no error', async () => {
    const step = spawnSandbox('true', [], { stdin: 'pipe' });
    step.stdin?.write('into the void');
    assert.equal((await step).ok, true);
    step.stdin?.write('and again');
  });

  void test('a step waits for its stdin until that is ended', async () => {
    const step = spawnSandbox('sh', ['-c', 'echo ready; cat'], {
      stdin: 'pipe',
    });
    await once(step.stdout, 'data');
    const first = await Promise.race([step.result, pause(200, 'still waiting')]);
    assert.equal(first, 'still waiting');
    step.stdin?.end();
    assert.equal((await step).ok, true);
  });

  void test('more than limits.input is refused there, too', async () => {
    const step = spawnSandbox('cat', [], {
      stdin: 'pipe',
      limits: { input: 1000 },
    });
    step.stdin?.write('x'.repeat(600));
    step.stdin?.write('x'.repeat(600));
    await assert.rejects(step.result, { code: 'ERR_INPUT' });
  });
});
