import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { closeSpawner, configureSpawner, spawnSandbox } from 'spawn-sandbox';
import { countDescriptors, descendantsOf, spawnersOf } from '../helpers/marked-processes.js';
import { run, stdoutOf } from '../helpers/run.js';
import { until } from '../helpers/until.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

interface Counts {
  readonly appDescriptors: number;
  readonly spawnerDescriptors: number;
  readonly processes: number;
  readonly mounts: number;
  readonly cgroups: number;
}

/** Below the directories that the spawner has put on record. */
function countCgroups(state: string): number {
  const records = readdirSync(state).filter((name) => name.startsWith('spawner-'));
  const parents = records
    .flatMap((name) => readFileSync(join(state, name), 'utf8').split('\n'))
    .filter((line) => line !== '');
  return parents.reduce(
    (sum, parent) => sum + readdirSync(parent, { withFileTypes: true }).filter((entry) => entry.isDirectory()).length,
    0,
  );
}

void suite('many steps', () => {
  const state = join(temporaryDirectory({ after }), 'state');
  before(() => {
    configureSpawner({ stateDirectory: state });
  });
  after(async () => {
    await closeSpawner();
  });

  function count(): Counts {
    const [spawner = 0] = spawnersOf(process.pid);
    return {
      appDescriptors: countDescriptors(process.pid),
      spawnerDescriptors: countDescriptors(spawner),
      processes: descendantsOf(spawner).length,
      mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length,
      cgroups: countCgroups(state),
    };
  }

  void test('300 at once all run, and each gets its own output', async () => {
    const steps = Array.from({ length: 300 }, (_, index) =>
      spawnSandbox('sh', ['-c', 'read line; sleep 0.05; echo "$line"'], { input: `line ${index}\n` }),
    );
    for (const [index, step] of steps.entries()) assert.equal((await step).stdout, `line ${index}\n`);
  });

  void test('100 at once of different kinds do not disturb each other', async () => {
    const kinds: readonly (() => Promise<void>)[] = [
      async () => {
        assert.equal((await spawnSandbox('sh', ['-c', 'exit 3'])).status, 3);
      },
      async () => {
        assert.equal((await spawnSandbox('sleep', ['1000'], { limits: { wallTime: 50 } })).cause, 'wallTimeout');
      },
      async () => {
        assert.equal((await spawnSandbox('yes', [], { limits: { output: 1000 } })).cause, 'outputLimit');
      },
      async () => {
        assert.equal((await run('cat', [], { input: 'x'.repeat(100_000) })).stdout.length, 100_000);
      },
      async () => {
        await assert.rejects(spawnSandbox('no-such-program-anywhere').result, { code: 'ERR_COMMAND_NOT_FOUND' });
      },
      async () => {
        assert.equal((await spawnSandbox('sleep', ['1000'], { signal: AbortSignal.timeout(30) })).cause, 'aborted');
      },
    ];
    await Promise.all(Array.from({ length: 17 }, () => kinds).flatMap((all) => all.map((kind) => kind())));
  });

  void test('1,000 starts leave descriptors, processes, mounts and cgroups as they were', async () => {
    const burst = async (): Promise<void> => {
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => run('echo', [String(index)], index % 2 === 0 ? {} : { input: 'x' })),
      );
    };
    for (let round = 0; round < 5; round++) await burst();
    const counts = count();
    for (let round = 0; round < 45; round++) await burst();
    const now = count();
    for (const key of Object.keys(counts) as (keyof Counts)[]) {
      assert.ok(now[key] <= counts[key] + 64, `${key}: ${counts[key]}, and ${now[key]} after 900 more`);
    }
  });

  void test('policies that are used once do not pile up', async () => {
    for (let index = 0; index < 60; index++) {
      assert.equal(await stdoutOf('id', ['-u'], { user: { uid: 2000 + index } }), String(2000 + index));
    }
    const [spawner = 0] = spawnersOf(process.pid);
    const makers = (): number => descendantsOf(spawner).filter(({ parent }) => parent === spawner).length;
    await until('the makers of the others are gone', () => makers() <= 33);
    assert.ok(count().processes <= 33 * (1 + 2 * 16), String(count().processes));
  });

  void test('a step of a policy that was forgotten meanwhile still runs', async () => {
    assert.equal(await stdoutOf('id', ['-u'], { user: { uid: 2000 } }), '2000');
  });
});
