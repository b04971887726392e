import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { type App, answerOf, startApp } from '../helpers/app.js';
import {
  descendantsOf,
  exists,
  type ProcessId,
  spawnersOf,
  uniqueMarker,
  untilGone,
  untilRunning,
} from '../helpers/marked-processes.js';
import { isRoot } from '../helpers/privileges.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';

/** An app that starts new steps without end, most of them short, some of them long. It says "running" when all of it is on its way. */
const UNDER_LOAD = `
  import { configureSpawner, spawnSandbox } from 'spawn-sandbox';
  configureSpawner({ stateDirectory: process.env.STATE });
  const long = Array.from({ length: 8 }, () => spawnSandbox('sh', ['-c', '(setsid -f sh -c "sleep 1000; :" $0); echo up; sleep 1000; :', process.env.MARKER]));
  for (const step of long) for await (const line of step) if (line === 'up') break;
  const churn = async () => { for (;;) await spawnSandbox('sh', ['-c', 'head -c 100000 /dev/zero; sleep 0.01; :', process.env.MARKER], { input: 'x'.repeat(200_000) }); };
  for (let i = 0; i < 4; i++) churn();
  setTimeout(() => console.log('running'), 200);`;

interface LoadedApp {
  readonly app: App;
  readonly marker: string;
  readonly state: string;
  /** Its spawner and everything below. */
  readonly below: readonly ProcessId[];
}

async function startLoadedApp(
  context: TestContext,
  state = join(temporaryDirectory(context), 'state'),
): Promise<LoadedApp> {
  const marker = uniqueMarker();
  const app = startApp(context, UNDER_LOAD, { env: { STATE: state, MARKER: marker } });
  assert.equal(await app.line(), 'running');
  const below = descendantsOf(app.pid);
  assert.ok(below.length >= 8 * 3, `the control: ${below.length} processes`);
  return { app, marker, state, below };
}

async function untilNothingIsLeft({ marker, below, state }: LoadedApp): Promise<void> {
  await until('every process is gone', () => !below.some(exists), { within: 3000 });
  await untilGone(marker, 3000);
  // A spawner takes its record along when the last of its cgroups is gone.
  await until('the spawner has taken its record along', () => leftIn(state).length === 0, { within: 3000 });
}

function leftIn(state: string): readonly string[] {
  return readdirSync(state).filter((name) => name !== 'uid-locks');
}

void suite('the end of an app', () => {
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGSEGV'] as const) {
    void test(`by ${signal} under load leaves nothing behind`, async (context) => {
      const loaded = await startLoadedApp(context);
      loaded.app.child.kill(signal);
      assert.equal((await loaded.app.ended).signal, signal);
      await untilNothingIsLeft(loaded);
    });
  }

  void test('by process.exit() in the middle leaves nothing behind', async (context) => {
    const marker = uniqueMarker();
    const code = `
      import { spawnSandbox } from 'spawn-sandbox';
      const step = spawnSandbox('sh', ['-c', '(setsid -f sh -c "sleep 1000; :" $0); echo up; sleep 1000', process.env.MARKER]);
      for await (const line of step) process.exit(5);`;
    assert.equal((await startApp(context, code, { env: { MARKER: marker } }).ended).status, 5);
    await untilGone(marker, 3000);
  });

  void test('comes by itself when its steps are over: nothing keeps the event loop alive', async (context) => {
    const code = `
      import { spawnSandbox } from 'spawn-sandbox';
      await spawnSandbox('true');
      const step = spawnSandbox('cat', [], { stdin: 'pipe' });
      step.stdin.end('text');
      for await (const line of step) console.log(line);
      process.on('exit', () => console.log('exit after', Math.round(performance.now() - ended) < 2000 ? 'moments' : 'long'));
      const ended = performance.now();`;
    const { status, stdout } = await startApp(context, code).ended;
    assert.deepEqual([status, stdout], [0, 'text\nexit after moments\n']);
  });

  void test('does not come before its steps are over', async (context) => {
    const code = `
      import { spawnSandbox } from 'spawn-sandbox';
      spawnSandbox('sh', ['-c', 'sleep 0.5; echo done']).result.then(({ stdout }) => console.log(JSON.stringify(stdout)));`;
    assert.equal(await answerOf(context, code), 'done\n');
  });

  void test('of one app leaves the steps of another alone', async (context) => {
    const state = join(temporaryDirectory(context), 'state');
    const first = await startLoadedApp(context, state);
    const second = await startLoadedApp(context, state);
    first.app.child.kill('SIGKILL');
    await until('the first is gone', () => !first.below.some(exists), { within: 3000 });
    const control = await answerOf(
      context,
      `
      import { configureSpawner, spawnSandbox } from 'spawn-sandbox';
      configureSpawner({ stateDirectory: process.env.STATE });
      console.log(JSON.stringify((await spawnSandbox('echo', ['third'])).stdout));`,
      { env: { STATE: state } },
    );
    assert.equal(control, 'third\n');
    await untilRunning(second.marker, 16).catch(() => undefined);
    assert.equal(second.app.child.exitCode, null);
    assert.equal(spawnersOf(second.app.pid).length, 1);
    second.app.child.kill('SIGKILL');
    await untilNothingIsLeft(second);
  });
});

void test(
  'an app that gives up root after its first step keeps all that its spawner can do',
  { skip: !isRoot && 'needs root' },
  async (context) => {
    const code = `
    import { spawnSandbox, closeSpawner } from 'spawn-sandbox';
    const states = ({ ok, enforced }) => [ok, Object.values(enforced).every(({ state }) => state === 'enforced')];
    const first = states(await spawnSandbox('true'));
    process.setgroups([]); process.setgid(47000); process.setuid(47000);
    const second = states(await spawnSandbox('true'));
    const { stdout } = await spawnSandbox('sh', ['-c', 'echo $1; cat', 'sh', 'arguments'], { input: 'input' });
    const killed = spawnSandbox('sleep', ['1000']);
    killed.kill();
    const { cause } = await killed;
    await closeSpawner();
    console.log(JSON.stringify({ first, second, stdout, cause }));`;
    const answer = await answerOf(context, code);
    assert.deepEqual(answer, {
      first: [true, true],
      second: [true, true],
      stdout: 'arguments\ninput',
      cause: 'killed',
    });
  },
);
