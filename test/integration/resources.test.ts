import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { closeSpawner, configureSpawner, type SandboxError, spawnSandbox } from 'spawn-sandbox';
import { startApp } from '../helpers/app.js';
import { countDescriptors, spawnersOf } from '../helpers/marked-processes.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { ANY_FORM } from '../helpers/weaker.js';

/** Runs as many steps at once as each line of its stdin says, and prints how they ended as JSON. */
const BURSTS = `
  import { configureSpawner, spawnSandbox } from 'spawn-sandbox';
  import { createInterface } from 'node:readline';
  configureSpawner({ stateDirectory: process.env.STATE, queueTimeout: '10s', pool: 1 });
  await spawnSandbox('true');
  console.log('ready');
  for await (const count of createInterface({ input: process.stdin })) {
    const steps = Array.from({ length: Number(count) }, () => spawnSandbox('sh', ['-c', 'sleep 0.2; echo done']).result);
    const codes = (await Promise.allSettled(steps)).map(({ value, reason }) => value === undefined ? reason.code ?? String(reason) : value.stdout === 'done\\n' ? 'ok' : value.detail);
    console.log(JSON.stringify(codes));
  }`;

void suite('out of descriptors', () => {
  void test('with 100 for the app and as many for the spawner, some steps go on, the others say why not', async (context) => {
    const env = { STATE: join(temporaryDirectory(context), 'state') };
    const app = startApp(context, BURSTS, { env, command: ['prlimit', '--nofile=100:100', process.execPath] });
    assert.equal(await app.line(), 'ready');
    const spawner = spawnersOf(app.pid);
    for (const count of [40, 3, 40, 3]) {
      app.child.stdin?.write(`${count}\n`);
      const codes = JSON.parse(await app.line()) as readonly string[];
      const others = codes.filter((code) => code !== 'ok');
      assert.equal(codes.length, count);
      assert.deepEqual(
        others.filter((code) => !['ERR_RESOURCES', 'ERR_QUEUE_TIMEOUT'].includes(code)),
        [],
      );
      assert.ok(others.length < count, codes.join(' '));
      if (count === 3) assert.deepEqual(others, [], 'few are no trouble, also afterwards');
    }
    assert.deepEqual(spawnersOf(app.pid), spawner, 'the spawner has survived it');
    app.child.stdin?.end();
    assert.equal((await app.ended).status, 0);
  });

  void test('at whatever point of making a sandbox, the step is told that, and the next one is as ever', async (context) => {
    await closeSpawner();
    configureSpawner({ stateDirectory: join(temporaryDirectory(context), 'state'), pool: 1, queueTimeout: '5s' });
    context.after(async () => {
      await closeSpawner();
      configureSpawner({});
    });
    await spawnSandbox('true');
    const [spawner = 0] = spawnersOf(process.pid);
    const seen = new Set<string>();
    for (let room = 0; room < 30; room++) {
      // A policy of its own, so that nothing is ready.
      const step = (extra: number): Promise<string> =>
        spawnSandbox('true', [], { limits: { scratch: (1 + room) * 2 ** 20 + extra * 4096 } }).result.then(
          ({ ok, detail }) => (ok ? 'ok' : detail),
          (error: unknown) => (error as SandboxError).code,
        );
      limitDescriptors(spawner, countDescriptors(spawner) + room);
      for (const outcome of await Promise.all([step(0), step(0), step(1)])) seen.add(outcome);
      limitDescriptors(spawner, 1024);
      assert.equal(await step(0), 'ok', `with room for ${room}`);
    }
    assert.deepEqual(seen, new Set(['ERR_RESOURCES', 'ok']));
    assert.deepEqual(spawnersOf(process.pid), [spawner], 'it has survived it');
  });

  void test('a step that cannot be watched any longer is ended for that, and not for what it uses', async (context) => {
    const { enforced } = await spawnSandbox('true', [], ANY_FORM);
    if (enforced.memory.by !== 'watched') {
      context.skip('the kernel counts here');
      return;
    }
    const [spawner = 0] = spawnersOf(process.pid);
    const step = spawnSandbox('sh', ['-c', 'echo running; sleep 1000'], ANY_FORM);
    for await (const line of step) {
      assert.equal(line, 'running');
      break;
    }
    limitDescriptors(spawner, 4);
    await assert.rejects(step.result, { code: 'ERR_RESOURCES', message: /could not look any longer/ });
    limitDescriptors(spawner, 1024);
    assert.equal((await spawnSandbox('true', [], ANY_FORM)).ok, true);
  });

  void test('of the app alone, which gets them back later', async (context) => {
    const app = startApp(context, BURSTS, { env: { STATE: join(temporaryDirectory(context), 'state') } });
    assert.equal(await app.line(), 'ready');
    limitDescriptors(app.pid, 64);
    app.child.stdin?.write('40\n');
    assert.deepEqual(new Set(JSON.parse(await app.line()) as string[]), new Set(['ok']));
    app.child.stdin?.end();
    assert.equal((await app.ended).status, 0);
  });
});

/** The soft limit: a process that runs may get it back. */
function limitDescriptors(pid: number, most: number): void {
  const { status, stderr } = spawnSync('prlimit', [`--pid=${pid}`, `--nofile=${most}:`], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}
