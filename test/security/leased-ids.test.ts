import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { closeSpawner, configureSpawner, createZygote, spawnSandbox } from 'spawn-sandbox';
import { isRoot } from '../helpers/privileges.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const RANGE = { start: 1_600_000_000, count: 128 };

/** Holds every second pair of ids of the range, as another spawner would, and prints a line when it does. */
const HOLDER = `
import fcntl, sys
file = open(sys.argv[1], 'r+b')
for start in range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3]), 4):
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 2, start)
sys.stdout.write('held\\n'); sys.stdout.flush()
sys.stdin.read()`;

void suite('ids that are leased', { skip: isRoot ? false : 'an ordinary user has no range of its own' }, () => {
  void test('no two sandboxes have the same, however many of the range another spawner has', async (context) => {
    await useHalfOfRange(context);
    const steps = Array.from({ length: 24 }, () => spawnSandbox('sh', ['-c', 'cat /proc/self/uid_map; sleep 0.5']));
    const results = await Promise.all(steps.map((step) => step.result));
    const ids = results.flatMap(({ stdout }) => idsOf(String(stdout)));
    assert.equal(ids.length, 48, 'the id of the step and that of its init, each');
    assert.deepEqual(new Set(ids).size, 48, ids.sort().join(' '));
    for (const id of ids) {
      assert.ok(id >= RANGE.start && id < RANGE.start + RANGE.count, `${id} is of the range`);
      assert.ok((id - RANGE.start) % 4 >= 2, `${id} is not held by the other`);
    }
  });

  void test('when all are in use, a step waits for one, and is given one that is free', async (context) => {
    await useHalfOfRange(context);
    // 32 pairs are free.
    const steps = Array.from({ length: 80 }, () => spawnSandbox('sh', ['-c', 'cat /proc/self/uid_map; sleep 0.2']));
    const results = await Promise.all(steps.map((step) => step.result));
    for (const { ok, stdout } of results) {
      assert.equal(ok, true);
      assert.equal(idsOf(String(stdout)).length, 2);
    }
  });

  void test('the steps of a zygote have others than it has', async (context) => {
    await useHalfOfRange(context);
    const zygote = await createZygote({ runtime: 'python', parked: 2 });
    context.after(() => zygote.destroy());
    const code = 'import time; print(open("/proc/self/uid_map").read()); time.sleep(0.5)';
    const steps = Array.from({ length: 12 }, () => zygote.spawn({ code }));
    const results = await Promise.all(steps.map((step) => step.result));
    const ids = results.flatMap(({ stdout }) => idsOf(String(stdout)));
    assert.equal(new Set(ids).size, 24, ids.join(' '));
    assert.ok(!ids.includes(0), 'root of the zygote');
  });
});

/** Has somebody else hold every second pair of {@link RANGE}, and the spawner lease from it. */
async function useHalfOfRange(context: TestContext): Promise<void> {
  await closeSpawner();
  const state = join(temporaryDirectory(context), 'state');
  const locks = join(state, 'uid-locks');
  mkdirSync(state, { mode: 0o700 });
  writeFileSync(locks, '', { mode: 0o600 });
  const holder = spawn('python3', ['-c', HOLDER, locks, String(RANGE.start), String(RANGE.count)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  context.after(async () => {
    await closeSpawner();
    configureSpawner({});
    holder.kill('SIGKILL');
  });
  assert.equal(String(await once(holder.stdout, 'data')), 'held\n');
  configureSpawner({ stateDirectory: state, uidRange: RANGE, pool: 1 });
}

/** Of the host: the second column of `/proc/self/uid_map`. */
function idsOf(map: string): number[] {
  return map
    .trim()
    .split('\n')
    .map((line) => Number(line.trim().split(/\s+/)[1]));
}
