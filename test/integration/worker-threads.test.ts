import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { answerOf } from '../helpers/app.js';
import { uniqueMarker, untilGone } from '../helpers/marked-processes.js';

/** Runs `body` in a worker of an app; the app prints what `app` does with it. */
function withWorker(body: string, app: string): string {
  return `
    import { Worker, isMainThread } from 'node:worker_threads';
    import { once } from 'node:events';
    import { readdirSync } from 'node:fs';
    import { spawnSandbox } from 'spawn-sandbox';
    const code = ${JSON.stringify(`import { parentPort } from 'node:worker_threads';\nimport { spawnSandbox } from ${JSON.stringify('LIBRARY')};\n${body}`)}.replace('LIBRARY', import.meta.resolve('spawn-sandbox'));
    const start = () => new Worker(new URL('data:text/javascript,' + encodeURIComponent(code)));
    ${app}`;
}

const LONG = `
  const step = spawnSandbox('sh', ['-c', '(setsid -f sh -c "sleep 1000; :" $0); echo up; sleep 1000', process.env.MARKER]);
  for await (const line of step) if (line === 'up') parentPort.postMessage(line);`;

void suite('worker threads', () => {
  void test('each have a spawner of their own, and work at once', async (context) => {
    const code = withWorker(
      `const { stdout } = await spawnSandbox('echo', ['from a worker']); parentPort.postMessage(stdout);`,
      `const workers = [start(), start(), start()];
      const messages = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
      const { stdout } = await spawnSandbox('echo', ['from the app']);
      console.log(JSON.stringify([...messages, stdout]));`,
    );
    const word = 'from a worker\n';
    assert.deepEqual(await answerOf(context, code), [word, word, word, 'from the app\n']);
  });

  void test('that end by themselves are not kept alive', async (context) => {
    const code = withWorker(
      `await spawnSandbox('true');`,
      `const [status] = await once(start(), 'exit'); console.log(JSON.stringify(status));`,
    );
    assert.equal(await answerOf(context, code), 0);
  });

  void test('that are terminated while a step runs leave nothing of it, and the app goes on', async (context) => {
    const marker = uniqueMarker();
    const code = withWorker(
      LONG,
      `
      const worker = start();
      await once(worker, 'message');
      await worker.terminate();
      process.stderr.write('terminated');
      const { stdout } = await spawnSandbox('echo', ['fine']);
      console.log(JSON.stringify(stdout));`,
    );
    assert.equal(await answerOf(context, code, { env: { MARKER: marker } }), 'fine\n');
    await untilGone(marker, 2000);
  });

  void test('that are terminated at any moment do not harm the app', async (context) => {
    const marker = uniqueMarker();
    const code = withWorker(
      LONG,
      `
      for (let moment = 0; moment < 12; moment++) {
        const worker = start();
        worker.on('error', (error) => { console.error(error); process.exitCode = 3; });
        await once(worker, 'online');
        await new Promise((resolve) => setTimeout(resolve, moment * 25));
        await worker.terminate();
      }
      console.log(JSON.stringify((await spawnSandbox('echo', ['fine'])).stdout));`,
    );
    assert.equal(await answerOf(context, code, { env: { MARKER: marker } }), 'fine\n');
    await untilGone(marker, 2000);
  });

  void test('that are terminated leave no descriptors open, whatever becomes of stdin', async (context) => {
    const marker = uniqueMarker();
    const uses = [
      '', // nobody asks for it
      'step.stdin.on("error", () => undefined);', // nobody writes to it
      'step.stdin.write("x".repeat(1_000_000));', // it is full
      'await new Promise((resolve) => step.stdin.end("x", resolve));',
    ];
    const code = withWorker(
      `
      const step = spawnSandbox('sh', ['-c', 'echo up; sleep 1000', process.env.MARKER], { stdin: 'pipe' });
      for await (const line of step) if (line === 'up') break;
      await new Promise((resolve) => parentPort.once('message', (use) => eval('(async () => {' + use + '})()').then(resolve)));
      parentPort.postMessage('up');`,
      `
      const one = async (use) => {
        const worker = start();
        worker.postMessage(use);
        await once(worker, 'message');
        await worker.terminate();
      };
      const round = () => Promise.all(${JSON.stringify(uses)}.map(one));
      const count = () => readdirSync('/proc/self/fd').length;
      await round();
      const before = count();
      for (let i = 0; i < 2; i++) await round();
      await new Promise((resolve) => setTimeout(resolve, 200));
      console.log(JSON.stringify(count() - before));`,
    );
    const more = Number(await answerOf(context, code, { env: { MARKER: marker } }));
    assert.ok(more <= 2, `${more} more after 8 workers`);
  });
});
