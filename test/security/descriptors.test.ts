import assert from 'node:assert/strict';
import { suite, test, type TestContext } from 'node:test';
import { startApp } from '../helpers/app.js';

/** How many of three bursts end in which way. */
const APP = `
import { spawnWith } from '#src/spawn-sandbox.js';
const counts = {};
const options = { allowWeaker: ['memory', 'processes', 'cpu', 'uid', 'groups'], limits: { wallTime: '20s' } };
const pipes = Number(process.env.FURTHER ?? 0);
const further = Array.from({ length: pipes }, () => ({ kind: 'pipe', onData: () => undefined }));
async function one() {
  const end = await spawnWith('sleep', ['0.1'], options, further).result.then(({ cause }) => cause, ({ code }) => code);
  counts[end] = (counts[end] ?? 0) + 1;
}
for (let burst = 0; burst < 3; burst++) await Promise.all(Array.from({ length: 40 }, one));
console.log(JSON.stringify(counts));
process.exit();
`;

async function endsWith(
  context: TestContext,
  descriptors: number,
  further = 0,
): Promise<Readonly<Record<string, number>>> {
  const command = ['prlimit', `--nofile=${descriptors}`, process.execPath];
  return JSON.parse(await startApp(context, APP, { command, env: { FURTHER: String(further) } }).line()) as Record<
    string,
    number
  >;
}

/** Whether they do run out here is a matter of time: where all of them can be had later, it waits. */
void suite('a spawner whose descriptors run out', () => {
  void test(
    'waits for some, and keeps namespaces only as long as there is room',
    { timeout: 90_000 },
    async (context) => {
      assert.deepEqual(await endsWith(context, 512), { exit: 120 });
    },
  );

  void test('says so, and not that a layer was missing', { timeout: 90_000 }, async (context) => {
    const { exit = 0, ERR_RESOURCES: short = 0, ...others } = await endsWith(context, 80);
    assert.deepEqual(others, {});
    assert.equal(exit + short, 120);
  });

  for (const further of [3, 10]) {
    void test(`says so when each step is given ${further} more`, { timeout: 90_000 }, async (context) => {
      const { exit = 0, ERR_RESOURCES: short = 0, ...others } = await endsWith(context, 120, further);
      assert.deepEqual(others, {});
      assert.equal(exit + short, 120);
    });
  }

  void test(
    'says so beside other apps, with which its user shares what may be on its way',
    { timeout: 90_000 },
    async (context) => {
      for (const { exit = 0, ERR_RESOURCES: short = 0, ...others } of await Promise.all(
        [1, 2, 3].map(async () => await endsWith(context, 80)),
      )) {
        assert.deepEqual(others, {});
        assert.equal(exit + short, 120);
      }
    },
  );
});
