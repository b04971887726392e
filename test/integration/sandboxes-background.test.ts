import assert from 'node:assert/strict';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createSandbox, createZygote, type Sandbox, type SandboxOptions, spawnSandbox } from 'spawn-sandbox';
import { living, python, sh, stdoutOf } from '../helpers/living.js';
import { processesWith, uniqueMarker, untilGone, untilRunning } from '../helpers/marked-processes.js';
import { until } from '../helpers/until.js';

const KEEP = { keepBackground: true };

function keeping(context: TestContext, options: SandboxOptions = {}): Promise<Sandbox> {
  return living(context, { ...options, ...KEEP });
}

const SERVER = `
import os, socket
server = socket.socket(socket.AF_UNIX)
server.bind("/tmp/socket")
server.listen()
if os.fork(): os._exit(0)
os.setsid()
while True:
  client, _ = server.accept()
  word = client.recv(99)
  client.sendall(word + b" %d" % os.getpid())
  client.close()
  if word == b"end": break
`;
const ask = (word: string) =>
  `import socket\nserver = socket.socket(socket.AF_UNIX)\nserver.connect("/tmp/socket")\nserver.sendall(b"${word}")\nprint(server.recv(99).decode())`;

void suite('what a command leaves in the background', () => {
  void test('serves the next commands, who see its process', async (context) => {
    const sandbox = await keeping(context);
    await stdoutOf(python(sandbox, SERVER));
    const [word, pid] = (await stdoutOf(python(sandbox, ask('answer')))).split(' ');
    assert.equal(word, 'answer');
    assert.equal(await stdoutOf(sh(sandbox, `tr '\\0' ' ' < /proc/${pid ?? ''}/cmdline | head -c 10`)), 'python3 -c');
    await stdoutOf(python(sandbox, ask('end')));
    await until('nothing is left of it', async () => (await sandbox.usage()).commands.length === 0);
  });

  void test('is ended with the command where it is not to be kept', async (context) => {
    const sandbox = await living(context);
    await stdoutOf(python(sandbox, SERVER));
    assert.notEqual((await python(sandbox, ask('answer'))).exitCode, 0);
    await stdoutOf(python(sandbox, SERVER.replace('/tmp/socket', '/tmp/other'), KEEP));
    assert.match(
      await stdoutOf(python(sandbox, ask('answer').replace('/tmp/socket', '/tmp/other'))),
      /^answer/,
      'control',
    );
  });

  void test('has neither the result nor the app wait for the streams that it holds', async (context) => {
    const sandbox = await keeping(context);
    const begun = performance.now();
    const left = 'trap "" PIPE; while sleep 0.1; do echo more || touch /tmp/refused; done';
    const { stdout, ok, usage } = await sh(sandbox, `(${left}) & echo told`);
    assert.deepEqual([stdout, ok], ['told\n', true]);
    assert.ok(performance.now() - begun < 1000 && usage.wallTimeMs < 1000);
    await delay(400);
    assert.equal(await stdoutOf(sh(sandbox, 'ls /tmp')), 'refused', 'nobody reads what it writes now');
  });

  void test('ends with the sandbox, and with a command that is killed', async () => {
    const sandbox = await createSandbox(KEEP);
    const [kept, ended] = [uniqueMarker(), uniqueMarker()];
    const leave = (marker: string) => `sh -c 'sleep 1000; :' ${marker} & `;
    await stdoutOf(sh(sandbox, leave(kept)));
    const step = sh(sandbox, `${leave(ended)} sleep 1000`);
    await untilRunning(ended, 1);
    step.kill();
    assert.equal((await step).cause, 'killed');
    await untilGone(ended, 2000);
    assert.equal(processesWith(kept).length, 1, 'of another command');
    await sandbox.destroy();
    await untilGone(kept, 2000);
  });

  void test('is shown by usage(), with what it was left by', async (context) => {
    const sandbox = await keeping(context);
    const step = python(
      sandbox,
      'import os, time\nif os.fork() == 0:\n  x = bytearray(40 << 20)\n  open("/tmp/there", "w")\n  time.sleep(1000)',
    );
    await step;
    await stdoutOf(sh(sandbox, 'until test -e /tmp/there; do sleep 0.02; done'));
    const { commands, memoryBytes } = await sandbox.usage();
    assert.deepEqual(
      commands.map(({ id, background, processes }) => [id, background, processes]),
      [[step.id, true, 1]],
    );
    assert.ok((commands[0]?.memoryBytes ?? 0) > 40 * 2 ** 20 && (memoryBytes ?? 0) > 40 * 2 ** 20);
    assert.ok((commands[0]?.wallTimeMs ?? 0) > 0);
  });

  void test('keeps the memory limit of its command, and is nothing to another one', async (context) => {
    const sandbox = await keeping(context, { limits: { memory: '256MiB' } });
    const grows =
      'import os, time\nif os.fork(): os._exit(0)\ntime.sleep(0.3)\nx = bytearray(120 << 20)\ntime.sleep(1000)';
    await stdoutOf(python(sandbox, grows, { limits: { memory: '64MiB' } }));
    const other = python(sandbox, 'import time\nx = bytearray(60 << 20)\ntime.sleep(1.2)\nprint("well")');
    await until('it is ended', async () => (await sandbox.usage()).commands.every(({ background }) => !background));
    const { cause, stdout, limitsHit } = await other;
    assert.deepEqual([cause, stdout, limitsHit], ['exit', 'well\n', []]);
  });

  void test('is bounded by the memory of the whole sandbox', async (context) => {
    const sandbox = await keeping(context, { limits: { memory: '128MiB' } });
    const grows =
      'import os, time\nif os.fork(): os._exit(0)\ntime.sleep(0.3)\nx = bytearray(200 << 20)\nopen("/tmp/had", "w")\ntime.sleep(1000)';
    await stdoutOf(python(sandbox, grows, { limits: { memory: Infinity } }));
    await until('it is ended', async () => (await sandbox.usage()).commands.length === 0);
    assert.equal(await stdoutOf(sh(sandbox, 'echo well')), 'well');
  });

  void test('forks no further than the sandbox may, and ends with it', async () => {
    const sandbox = await createSandbox({ ...KEEP, limits: { processes: 24 } });
    const marker = uniqueMarker();
    const storm =
      'import os\nif os.fork() == 0:\n  while True:\n    try:\n      if os.fork(): os._exit(0)\n    except OSError: pass\n';
    // The later ones may find no room for a first child.
    for (let round = 0; round < 3; round++) await sandbox.spawn('python3', ['-c', storm, marker]);
    const { commands, processes = 0 } = await sandbox.usage();
    assert.ok(commands.length > 0 && processes <= 24, `${commands.length} and ${processes}`);
    await sandbox.destroy();
    await untilGone(marker, 2000);
  });

  void test('goes on when the sandbox is resumed, and stands still with it', async (context) => {
    const sandbox = await keeping(context);
    await stdoutOf(sh(sandbox, 'exec > /dev/null 2>&1; (while sleep 0.02; do echo >> /tmp/grows; done) &'));
    const lines = async () => Number(await stdoutOf(sh(sandbox, 'wc -l < /tmp/grows || echo 0')));
    await delay(200);
    await sandbox.pause();
    const first = lines();
    await delay(500);
    await sandbox.resume();
    const between = await first;
    assert.ok(between < 25, `${between}`);
    await delay(300);
    assert.ok((await lines()) > between, 'control');
  });

  void test('is for sandboxes that live alone', async (context) => {
    assert.throws(() => spawnSandbox('true', [], KEEP), { code: 'ERR_INVALID_OPTION' });
    await assert.rejects(createZygote({ runtime: 'python', ...KEEP }), { code: 'ERR_INVALID_OPTION' });
    await assert.rejects(createSandbox({ keepBackground: 1 } as unknown as SandboxOptions), {
      code: 'ERR_INVALID_OPTION',
    });
    const sandbox = await living(context);
    assert.throws(() => sh(sandbox, 'true', { keepBackground: 'yes' } as unknown as SandboxOptions), {
      code: 'ERR_INVALID_OPTION',
    });
  });
});
