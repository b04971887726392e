// Where the spawner has put the sandboxes' cgroups, and what became of the app's own. SPAWN_SANDBOX_TEST_PLACE is the directory to
// expect them in; empty where there is none.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { closeSpawner, configureSpawner, SandboxError, spawnSandbox } from 'spawn-sandbox';
import { recordedCgroups } from '../build/test/helpers/cgroup-records.js';
import { until } from '../build/test/helpers/until.js';
import { ANY_FORM } from '../build/test/helpers/weaker.js';

const place = process.env.SPAWN_SANDBOX_TEST_PLACE ?? '';
const stateDirectory = `${mkdtempSync('/tmp/placement-')}/state`;
const isRoot = process.geteuid() === 0;
configureSpawner({ stateDirectory });

/** The directory in which the spawner's own directory is. */
const foundPlace = (directory) => recordedCgroups(directory)[0]?.replace(/\/spawn-sandbox-[0-9a-f]{16}$/, '');
const withPlace = { skip: place === '' && 'there is none' };
const ownCgroup = () => readFileSync('/proc/self/cgroup', 'utf8').trim();
const start = async () => {
  const result = await spawnSandbox('true', [], ANY_FORM);
  assert.ok(result.ok, result.detail);
  return result;
};

test('the cgroups are where they are expected', withPlace, async () => {
  const { enforced } = await start();
  for (const layer of ['memory', 'processes']) {
    assert.deepEqual(enforced[layer], { state: 'enforced', by: 'cgroup v2' });
  }
  assert.equal(recordedCgroups(stateDirectory).length, 1);
  assert.equal(foundPlace(stateDirectory), place);
});

test('the next spawner finds the same place, and the app moves no deeper', withPlace, async () => {
  const own = ownCgroup();
  for (let round = 0; round < 3; round++) {
    await closeSpawner();
    await start();
    assert.equal(foundPlace(stateDirectory), place);
    assert.equal(ownCgroup(), own);
  }
});

test('an app beside this one finds the same place', withPlace, async () => {
  const other = `${stateDirectory}-other`;
  const child = spawn(process.execPath, ['build/test/helpers/app-with-steps.js', other, '2'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) if (line === 'running') break;
  const [directory] = recordedCgroups(other);
  assert.equal(foundPlace(other), place);
  child.kill('SIGKILL');
  await until('its cgroups are gone', () => !existsSync(directory));
  await start();
});

test('an app may name the place', withPlace, async () => {
  const cgroupParent = `${place}/named-${process.pid}`;
  mkdirSync(cgroupParent);
  await closeSpawner();
  configureSpawner({ stateDirectory, cgroupParent });
  const { enforced } = await start();
  assert.equal(enforced.memory.by, 'cgroup v2');
  assert.equal(foundPlace(stateDirectory), cgroupParent);
  await closeSpawner();
  rmdirSync(cgroupParent);
  configureSpawner({ stateDirectory });
  await start();
});

test(
  'without a cgroup root must say that less is enough, and is told why',
  { skip: place !== '' && 'there is one' },
  async () => {
    if (isRoot) {
      await assert.rejects(
        async () => await spawnSandbox('true'),
        (error) => {
          assert.ok(error instanceof SandboxError);
          assert.equal(error.code, 'ERR_LAYER_UNAVAILABLE');
          console.log(`# ${error.message}`);
          assert.equal(error.layer, 'memory');
          assert.match(error.message, /cgroup/);
          assert.match(error.remedy, /allowWeaker: \['memory'\]/);
          return true;
        },
      );
    }
    const { enforced } = await start();
    assert.equal(enforced.memory.state, 'weaker');
    assert.match(enforced.memory.reason, /\/sys\/fs\/cgroup/);
    console.log(`# ${enforced.memory.reason}`);
    assert.deepEqual(recordedCgroups(stateDirectory), []);
  },
);

test('the spawner leaves nothing when it is closed', async () => {
  const recorded = recordedCgroups(stateDirectory);
  await closeSpawner();
  assert.deepEqual(
    recorded.filter((path) => existsSync(path)),
    [],
  );
});
