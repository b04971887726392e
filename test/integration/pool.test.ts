import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { closeSpawner, configureSpawner, spawnSandbox } from 'spawn-sandbox';
import { descendantsOf, spawnersOf } from '../helpers/marked-processes.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';
import { ANY_FORM } from '../helpers/weaker.js';

const POOL = 8;
const ROUNDS = 100;
const MAKERS = 1;

void suite('the pool', () => {
  void test('is full again after every burst, in whatever order makers and sandboxes report', async (context) => {
    await closeSpawner();
    configureSpawner({ stateDirectory: join(temporaryDirectory(context), 'state'), pool: POOL });
    context.after(async () => {
      await closeSpawner();
      configureSpawner({});
    });
    for (let round = 0; round < ROUNDS; round++) {
      const ended = await Promise.all(Array.from({ length: POOL }, () => spawnSandbox('true', [], ANY_FORM)));
      assert.ok(
        ended.every(({ ok }) => ok),
        ended.map(({ detail }) => detail).join(' '),
      );
      const [spawner = 0] = spawnersOf(process.pid);
      // Of each that is ready, an init and the parked step.
      await until(`${POOL} sandboxes are ready`, () => descendantsOf(spawner).length === MAKERS + 2 * POOL, {
        within: 3000,
        every: 2,
      });
    }
  });
});
