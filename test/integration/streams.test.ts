import assert from 'node:assert/strict';
import { once } from 'node:events';
import { suite, test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { SandboxError, spawnSandbox, type StepResult } from 'spawn-sandbox';
import { answerOf, startApp } from '../helpers/app.js';
import { processesWith, uniqueMarker, untilGone } from '../helpers/marked-processes.js';
import { run } from '../helpers/run.js';
import { until } from '../helpers/until.js';

const MEBIBYTE = 2 ** 20;

function shell(script: string, options: Parameters<typeof spawnSandbox>[2] = {}): Promise<StepResult> {
  return spawnSandbox('sh', ['-c', script], options).result;
}

void suite('output streams', () => {
  void test('bytes are kept exactly, with and without a final newline', async () => {
    for (const text of ['', 'a', 'a\n', '\n\n', 'a\r\n', ' \t\n ']) {
      assert.equal((await run('printf', ['%s', text])).stdout, text);
    }
  });

  void test('text that is no UTF-8 becomes replacement characters, and buffer keeps it', async () => {
    assert.equal((await run('printf', ['a\\377b'])).stdout, 'a\u{fffd}b');
    const { stdout } = await spawnSandbox('printf', ['a\\377b'], {
      encoding: 'buffer',
    });
    assert.ok(stdout instanceof Uint8Array);
    assert.deepEqual([...stdout], [0x61, 0xff, 0x62]);
  });

  void test('a character that arrives in pieces stays whole', async () => {
    const step = spawnSandbox('sh', ['-c', "printf '\\342'; sleep 0.05; printf '\\202'; sleep 0.05; printf '\\254'"]);
    const lines: string[] = [];
    for await (const line of step) lines.push(line);
    assert.deepEqual(lines, ['€']);
    assert.equal((await step).stdout, '€');
  });

  void test('many megabytes come on stdout and stderr at once', async () => {
    const script = 'head -c 5M /dev/zero & head -c 5M /dev/zero >&2; wait';
    const { stdout, stderr, truncated } = await shell(script, {
      encoding: 'buffer',
    });
    assert.deepEqual([stdout.length, stderr.length, truncated], [5 * MEBIBYTE, 5 * MEBIBYTE, false]);
  });

  void test('streams give bytes, and each reader and the result get all of them', async () => {
    const step = spawnSandbox('sh', ['-c', 'echo out; echo err >&2']);
    const chunks: Buffer[] = [];
    step.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const lines: string[] = [];
    for await (const line of step.lines('both')) lines.push(line);
    const { stdout, stderr } = await step;
    assert.ok(Buffer.isBuffer(chunks[0]));
    assert.equal(Buffer.concat(chunks).toString(), 'out\n');
    assert.deepEqual(lines.toSorted(), ['err', 'out']);
    assert.deepEqual([stdout, stderr], ['out\n', 'err\n']);
  });

  void test('a stream that is asked for late starts at the beginning', async () => {
    const step = spawnSandbox('sh', ['-c', 'echo early']);
    await step;
    const [chunk] = (await once(step.stdout, 'data')) as [Buffer];
    assert.equal(chunk.toString(), 'early\n');
  });

  void test('a stream whose beginning was dropped says so', async () => {
    const step = spawnSandbox('sh', ['-c', 'echo 0123456789'], { collect: 4 });
    await step;
    await assert.rejects(
      async () => {
        for await (const line of step) assert.fail(line);
      },
      { name: 'SandboxError', code: 'ERR_OUTPUT_GONE' },
    );
  });

  void test('collect: false keeps nothing, and streams still flow', async () => {
    const step = spawnSandbox('sh', ['-c', 'echo out; echo err >&2'], {
      collect: false,
    });
    const lines: string[] = [];
    for await (const line of step.lines('both')) lines.push(line);
    const { stdout, stderr, truncated } = await step;
    assert.deepEqual(lines.toSorted(), ['err', 'out']);
    assert.deepEqual([stdout, stderr, truncated], ['', '', false]);
  });

  void test('collect bounds what the result keeps of each stream, and truncated tells it', async () => {
    const result = await shell('printf 0123456789; printf abc >&2', {
      collect: 5,
    });
    assert.deepEqual([result.stdout, result.stderr, result.truncated, result.ok], ['01234', 'abc', true, true]);
    const whole = await shell('printf 01234', { collect: 5 });
    assert.deepEqual([whole.stdout, whole.truncated], ['01234', false]);
  });

  void test('collect does not cut a character in two', async () => {
    assert.equal((await shell("printf 'a€b'", { collect: 3 })).stdout, 'a');
  });

  void test('output counts stdout and stderr together', async () => {
    const script = 'head -c 600 /dev/zero; head -c 600 /dev/zero >&2; sleep 1000';
    assert.equal((await shell(script, { limits: { output: 1000 } })).cause, 'outputLimit');
    const within = await shell('head -c 500 /dev/zero; head -c 500 /dev/zero >&2', { limits: { output: 1000 } });
    assert.equal(within.cause, 'exit');
  });

  void test('a step that is over before the app has read too much output is outputLimit as well', async () => {
    const result = await shell('head -c 2000 /dev/zero', {
      limits: { output: 1000 },
    });
    assert.deepEqual([result.cause, result.status, result.stdout.length], ['outputLimit', -9, 1000]);
  });

  void test("'ignore' is nothing for the app and no error for the step", async () => {
    const result = await shell('echo out; echo err >&2', {
      stdout: 'ignore',
      stderr: 'ignore',
      collect: false,
    });
    assert.deepEqual([result.ok, result.stdout, result.stderr], [true, '', '']);
    const step = spawnSandbox('sh', ['-c', 'echo out; echo err >&2'], {
      stdout: 'ignore',
    });
    for await (const line of step) assert.fail(line);
    assert.equal((await step).stderr, 'err\n');
  });

  void test("'inherit' relays to the app's own streams, and the step never has their descriptor", async (context) => {
    const code = `
      import { spawnSandbox } from 'spawn-sandbox';
      const step = spawnSandbox('sh', ['-c', 'echo out; echo err >&2; readlink /proc/self/fd/1'], { stdout: 'inherit', stderr: 'inherit' });
      const { stdout } = await step;
      process.stderr.write(JSON.stringify({ stdout }));`;
    const app = startApp(context, code);
    const { stdout, stderr } = await app.ended;
    const [first, pipe] = stdout.split('\n');
    assert.equal(first, 'out');
    assert.match(pipe ?? '', /^pipe:/);
    assert.equal(stderr, `err\n${JSON.stringify({ stdout })}`);
  });
});

void suite('a reader and its step', () => {
  void test('a reader that stops reading stops the writer, and the memory of the app stays flat', async (context) => {
    const answer = await answerOf(
      context,
      `
      import { spawnSandbox } from 'spawn-sandbox';
      import { setTimeout as pause } from 'node:timers/promises';
      const step = spawnSandbox('sh', ['-c', 'yes & while :; do sleep 1; done'], { collect: false, limits: { output: Infinity } });
      step.stdout.once('data', () => step.stdout.pause());
      await pause(300);
      const before = process.memoryUsage.rss();
      await pause(700);
      const grown = process.memoryUsage.rss() - before;
      step.kill();
      console.log(JSON.stringify({ grown, cause: (await step).cause }));`,
    );
    const { grown, cause } = answer as {
      readonly grown: number;
      readonly cause: string;
    };
    assert.equal(cause, 'killed');
    assert.ok(grown < 16 * MEBIBYTE, `${grown} bytes`);
  });

  void test('a step that is held back goes on when it is read again', async () => {
    const step = spawnSandbox('sh', ['-c', 'head -c 3M /dev/zero; echo done >&2'], { collect: false });
    const done = once(step.stderr, 'data').then(() => 'done');
    await once(step.stdout, 'data');
    step.stdout.pause();
    assert.equal(await Promise.race([done, pause(200, 'held back')]), 'held back', 'the control');
    let bytes = 0;
    step.stdout.on('data', (chunk: Buffer) => (bytes += chunk.length));
    step.stdout.resume();
    assert.equal((await step).ok, true);
    await until('everything is read', () => step.stdout.readableEnded);
    assert.equal(await done, 'done');
    assert.ok(bytes > 2 * MEBIBYTE, String(bytes));
  });

  void test('break stops the delivery, the output keeps draining and the step goes on', async () => {
    const step = spawnSandbox('sh', ['-c', 'echo first; head -c 2M /dev/zero; echo done >&2']);
    for await (const line of step) {
      assert.equal(line, 'first');
      break;
    }
    const { ok, stdout, stderr } = await step;
    assert.deepEqual([ok, stdout.length, stderr], [true, 'first\n'.length + 2 * MEBIBYTE, 'done\n']);
  });

  void test('after break the limits of output still hold', async () => {
    const step = spawnSandbox('yes', [], { limits: { output: '1MiB' } });
    for await (const line of step) {
      assert.equal(line, 'y');
      break;
    }
    assert.equal((await step).cause, 'outputLimit');
  });

  void test('a stream that is destroyed does not hold the step back either', async () => {
    const step = spawnSandbox('sh', ['-c', 'head -c 2M /dev/zero; echo done >&2'], { collect: false });
    step.stdout.destroy();
    for await (const line of step.lines('stderr')) assert.equal(line, 'done');
    assert.equal((await step).ok, true);
  });

  void test('a process left behind that holds the streams open does not keep the result waiting', async () => {
    const marker = uniqueMarker();
    const started = performance.now();
    const { ok, stdout } = await shell(`sh -c 'trap "" TERM HUP; sleep 1000' ${marker} & echo done`);
    assert.deepEqual([ok, stdout], [true, 'done\n']);
    assert.ok(performance.now() - started < 5000);
    await untilGone(marker, 1000);
  });

  void test('what was written before the end is read to the end', async () => {
    for (let round = 0; round < 20; round++) {
      const { stdout } = await shell('head -c 60000 /dev/zero | tr "\\0" x; exit 0');
      assert.equal(stdout.length, 60_000);
    }
  });

  void test('a blocked event loop does not invent an idleTimeout', async () => {
    const step = spawnSandbox('sh', ['-c', 'i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.02; done'], {
      limits: { idleTime: 400 },
    });
    await once(step.stdout, 'data');
    for (let round = 0; round < 2; round++) {
      const end = performance.now() + 500;
      while (performance.now() < end);
      await nextTurn();
    }
    assert.equal((await step).cause, 'exit');
  });

  void test('a step that is held back by its reader is not idle', async () => {
    const step = spawnSandbox('sh', ['-c', 'head -c 3M /dev/zero'], {
      collect: false,
      limits: { idleTime: 200 },
    });
    await once(step.stdout, 'data');
    step.stdout.pause();
    await pause(600);
    step.stdout.resume();
    assert.equal((await step).cause, 'exit');
  });

  void test('output resets the idle time, on either stream', async () => {
    const script = 'for i in 1 2 3 4 5 6; do sleep 0.15; echo x >&2; done';
    assert.equal((await shell(script, { limits: { idleTime: 600 } })).cause, 'exit');
  });
});

void suite('what surfaces where', () => {
  const missing = (): ReturnType<typeof spawnSandbox> => spawnSandbox('no-such-program-anywhere');
  const expected = { name: 'SandboxError', code: 'ERR_COMMAND_NOT_FOUND' };

  void test('awaiting the step, its result and its lines all reject', async () => {
    await assert.rejects(async () => missing(), expected);
    await assert.rejects(missing().result, expected);
    await assert.rejects(async () => {
      for await (const line of missing()) assert.fail(line);
    }, expected);
    await assert.rejects(async () => {
      for await (const line of missing().lines('both')) assert.fail(line);
    }, expected);
  });

  void test('a stream with a listener emits the error', async () => {
    const step = missing();
    const [error] = (await once(step.stderr, 'error')) as [unknown];
    assert.ok(error instanceof SandboxError);
    assert.equal(error.code, expected.code);
  });

  void test('a stream without one ends, and the step rejects', async () => {
    const step = missing();
    step.stdout.resume();
    await assert.rejects(step.result, expected);
    await until('the stream is closed', () => step.stdout.closed);
  });

  void test('an error that nobody can notice becomes a process warning, and no unhandled rejection', async (context) => {
    const code = `
      import { spawnSandbox } from 'spawn-sandbox';
      process.on('warning', (warning) => console.log(warning.name, warning.code));
      spawnSandbox('no-such-program-anywhere');`;
    const { status, stdout } = await startApp(context, code).ended;
    assert.deepEqual([status, stdout], [0, 'SandboxError ERR_COMMAND_NOT_FOUND\n']);
  });

  void test('an error that was noticed is no warning', async (context) => {
    const code = `
      import { spawnSandbox } from 'spawn-sandbox';
      process.on('warning', (warning) => console.log(warning.name, warning.code));
      await spawnSandbox('no-such-program-anywhere').result.catch((error) => console.log('caught', error.code));
      for (const name of ['stdout', 'stderr']) spawnSandbox('no-such-program-anywhere')[name].on('error', (error) => console.log('emitted', error.code));`;
    const { status, stdout } = await startApp(context, code).ended;
    assert.deepEqual(
      [status, stdout],
      [0, 'caught ERR_COMMAND_NOT_FOUND\nemitted ERR_COMMAND_NOT_FOUND\nemitted ERR_COMMAND_NOT_FOUND\n'],
    );
  });

  void test('a step that nobody looks at leaves nothing behind', async (context) => {
    const marker = uniqueMarker();
    const code = `
      import { spawnSandbox } from 'spawn-sandbox';
      spawnSandbox('sh', ['-c', 'sleep 0.2', process.env.MARKER]);`;
    const { status, stderr } = await startApp(context, code, {
      env: { MARKER: marker },
    }).ended;
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(processesWith(marker), []);
  });
});
