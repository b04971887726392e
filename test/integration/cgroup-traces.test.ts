import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { suite, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { closeSpawner, configureSpawner, spawnSandbox } from 'spawn-sandbox';
import { countCgroups, recordedCgroups } from '../helpers/cgroup-records.js';
import { descendantsOf, exists, type ProcessId, spawnersOf } from '../helpers/marked-processes.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';
import { ANY_FORM } from '../helpers/weaker.js';

const APP = fileURLToPath(new URL('../helpers/app-with-steps.js', import.meta.url));

interface RunningApp {
  readonly child: ChildProcess;
  readonly spawner: number;
  /** The spawner and everything that it has started. */
  readonly processes: readonly ProcessId[];
  readonly cgroups: readonly string[];
}

/** An app with three steps running. */
async function startApp(context: TestContext, stateDirectory: string): Promise<RunningApp> {
  const child = spawn(process.execPath, [APP, stateDirectory, '3'], { stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'running') break;
  }
  const pid = child.pid ?? 0;
  const [spawner = 0] = spawnersOf(pid);
  assert.ok(spawner > 0);
  const processes = descendantsOf(pid);
  // Of each step its init, its shell and two that sleep.
  assert.ok(processes.length > 3 * 4, `${processes.length} processes`);
  return { child, spawner, processes, cgroups: recordedCgroups(stateDirectory) };
}

async function start(): Promise<void> {
  const { ok, detail } = await spawnSandbox('true', [], ANY_FORM);
  assert.ok(ok, detail);
}

const gone = (paths: readonly string[]): boolean => paths.every((path) => !existsSync(path));

void suite('cgroups that nobody uses any more', { timeout: 600_000 }, () => {
  void test('closing the spawner leaves none', async (context) => {
    const stateDirectory = `${temporaryDirectory(context)}/state`;
    configureSpawner({ stateDirectory });
    await start();
    const cgroups = recordedCgroups(stateDirectory);
    await closeSpawner();
    assert.ok(gone(cgroups), cgroups.join(' '));
    assert.deepEqual(recordedCgroups(stateDirectory), []);
  });

  void test('200 starts use no more of them than a few', async (context) => {
    const stateDirectory = `${temporaryDirectory(context)}/state`;
    configureSpawner({ stateDirectory });
    await start();
    const cgroups = recordedCgroups(stateDirectory);
    for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 10 }, start));
    // Ten ran at once, eight are kept ready, some are on their way.
    assert.ok(
      countCgroups(cgroups) <= 40 * cgroups.length,
      `${countCgroups(cgroups)} of ${cgroups.length} hierarchies`,
    );
    await closeSpawner();
    assert.ok(gone(cgroups));
  });

  void test('those of an app that is alive stay when another one starts; when it is killed its spawner removes them', async (context) => {
    const stateDirectory = `${temporaryDirectory(context)}/state`;
    const { child, processes, cgroups } = await startApp(context, stateDirectory);
    configureSpawner({ stateDirectory });
    await start();
    assert.equal(recordedCgroups(stateDirectory).length, cgroups.length * 2);
    await closeSpawner();
    assert.ok(cgroups.every((path) => existsSync(path)));
    child.kill('SIGKILL');
    await until('nothing of it is left', () => gone(cgroups) && !processes.some(exists));
  });

  void test('the next start removes what an app that was killed with its spawner has left', async (context) => {
    const stateDirectory = `${temporaryDirectory(context)}/state`;
    const { child, spawner, processes, cgroups } = await startApp(context, stateDirectory);
    child.kill('SIGKILL');
    process.kill(spawner, 'SIGKILL');
    await until('nothing of it runs', () => !processes.some(exists));
    await assertSweptByNextStart(stateDirectory, cgroups);
  });

  void test('the next start removes a record that a spawner was killed over, and none that is being made', async (context) => {
    const stateDirectory = `${temporaryDirectory(context, { 'state/new-spawner-1-0': '', 'state/new-spawner-2-0': '' })}/state`;
    const held = join(stateDirectory, 'new-spawner-2-0');
    const holder = spawn('flock', ['--no-fork', held, 'sh', '-c', 'echo held; exec sleep 100'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    context.after(() => holder.kill('SIGKILL'));
    await once(holder.stdout, 'data');
    configureSpawner({ stateDirectory });
    await start();
    await closeSpawner();
    assert.deepEqual(readdirSync(stateDirectory).toSorted(), ['new-spawner-2-0', 'uid-locks']);
  });

  void test('the next start removes what a spawner that was killed has left', async (context) => {
    const stateDirectory = `${temporaryDirectory(context)}/state`;
    configureSpawner({ stateDirectory });
    const step = spawnSandbox('sh', ['-c', 'echo up; (sleep 300 &); sleep 300'], ANY_FORM);
    for await (const line of step) {
      if (line === 'up') break;
    }
    const cgroups = recordedCgroups(stateDirectory);
    const [spawner = 0] = spawnersOf(process.pid);
    const inside = descendantsOf(spawner);
    process.kill(spawner, 'SIGKILL');
    await assert.rejects(async () => await step, { code: 'ERR_SPAWNER_DIED' });
    await until('nothing of it runs', () => !inside.some(exists));
    await assertSweptByNextStart(stateDirectory, cgroups);
  });
});

async function assertSweptByNextStart(stateDirectory: string, cgroups: readonly string[]): Promise<void> {
  assert.ok(
    cgroups.every((path) => existsSync(path)),
    'the control: they are still there',
  );
  await closeSpawner();
  configureSpawner({ stateDirectory });
  await start();
  assert.ok(gone(cgroups), cgroups.filter((path) => existsSync(path)).join(' '));
  assert.equal(recordedCgroups(stateDirectory).length, cgroups.length);
  await closeSpawner();
}
