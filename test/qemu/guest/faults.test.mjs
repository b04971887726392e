// What only a machine of one's own permits: to set its clock, and to limit how many cgroups there may be.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { configureSpawner, createSandbox, spawnSandbox } from 'spawn-sandbox';
import { recordedCgroups } from '../build/test/helpers/cgroup-records.js';

const DAY_S = 86_400;
const stateDirectory = `${mkdtempSync('/tmp/faults-')}/state`;
configureSpawner({ stateDirectory, pool: 1, queueTimeout: '20s' });

/** Ahead or back, for everybody on this machine. */
function jump(seconds) {
  execFileSync('date', ['-s', `@${Math.floor(Date.now() / 1000) + seconds}`], { stdio: 'ignore' });
}

for (const [name, seconds] of [
  ['ahead', DAY_S],
  ['back', -2 * DAY_S],
]) {
  test(`a clock that jumps ${name} by days neither ends a step nor spares one`, async (context) => {
    assert.ok((await spawnSandbox('true')).ok, 'there is a spawner');
    const before = Date.now();
    const talks = 'for i in 1 2 3 4 5 6 7 8; do sleep 0.25; echo $i; done';
    const steps = [
      spawnSandbox('sleep', ['1000'], { limits: { wallTime: '3s' } }),
      spawnSandbox('sh', ['-c', talks], { limits: { wallTime: '60s', idleTime: '20s' } }),
      spawnSandbox('sleep', ['1000'], { limits: { idleTime: '3s' } }),
    ];
    const sandbox = await createSandbox({ limits: { wallTime: '4s' } });
    const since = performance.now();
    await pause(500);
    jump(seconds);
    context.after(() => jump(-seconds));
    assert.ok(Math.abs(Date.now() - before) > (DAY_S / 2) * 1000, 'the control: the clock has jumped');
    const [wall, talking, idle] = await Promise.all(steps);
    const tookMs = performance.now() - since;
    assert.deepEqual([wall.cause, talking.cause, idle.cause], ['wallTimeout', 'exit', 'idleTimeout']);
    assert.ok(talking.ok);
    for (const { usage } of [wall, idle]) {
      assert.ok(usage.wallTimeMs >= 2990 && usage.wallTimeMs <= tookMs + 1000, `${usage.wallTimeMs} of ${tookMs} ms`);
    }
    const { cause, wallTimeMs } = await sandbox.ended;
    assert.equal(cause, 'wallTimeout');
    assert.ok(wallTimeMs >= 3990 && wallTimeMs < 60_000, `${wallTimeMs} ms`);
    assert.equal((await spawnSandbox('echo', ['next'])).stdout, 'next\n');
  });
}

test('no more cgroups: the step is told so, those that run go on, and the next ones are as ever when there are some', async () => {
  const running = spawnSandbox('sh', ['-c', 'echo up; read -r line; echo "$line"'], { stdin: 'pipe' });
  for await (const line of running) if (line === 'up') break;
  const [directory] = recordedCgroups(stateDirectory);
  const most = join(directory, 'cgroup.max.descendants');
  const there = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory()).length;
  writeFileSync(most, String(there));
  const burst = (seconds) =>
    Promise.all(
      Array.from({ length: there + 8 }, () =>
        spawnSandbox('sleep', [seconds]).result.then(
          ({ ok, detail }) => (ok ? 'ok' : detail),
          ({ code, remedy }) => (remedy === undefined ? `${code} without a remedy` : code),
        ),
      ),
    );
  const short = await burst('26');
  const refused = short.filter((outcome) => outcome !== 'ok');
  assert.ok(refused.length > 0 && refused.length < short.length, short.join());
  assert.deepEqual(new Set(refused), new Set(['ERR_QUEUE_TIMEOUT']), 'they wait for room as long as they may');
  running.stdin.end('went on\n');
  assert.equal((await running).stdout, 'up\nwent on\n');
  writeFileSync(most, 'max');
  assert.deepEqual(new Set(await burst('0.1')), new Set(['ok']));
});
