import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { CHECKS } from '#src/selftest/checks/index.js';
import { fullId } from '#src/selftest/check.js';
import { told } from '#src/selftest/judge.js';
import { type CheckResult, runChecks } from '#src/selftest/run.js';
import { commandTarget, ownTarget } from '#src/selftest/target.js';
import { isRoot } from '../helpers/privileges.js';
import { run } from '../helpers/run.js';

const RUN_MS = 400_000;
/** Memory that nobody can count is refused where no cgroup counts it. */
const COUNTED = ['practical/memfd', 'practical/segment'];
/** Where there is no sandbox, nothing is next door to it, and nobody can be told apart from who is outside. */
const WITHOUT = commandTarget('env UNUSED={writable}');

type ById = ReadonlyMap<string, CheckResult>;

async function results(all: Promise<readonly CheckResult[]>): Promise<ById> {
  return new Map((await all).map((result) => [fullId(result.check), result]));
}

/** What its checks may leave in the directories that they try, the bait's and the stage's. */
function traces(): readonly string[] {
  const names = ['/tmp', '/dev/shm', tmpdir()].flatMap((directory) =>
    readdirSync(directory).map((name) => join(directory, name)),
  );
  return names.filter((path) => /\/(spawn-sandbox-)?selftest-/.test(path));
}

void suite('the selftest', { timeout: 2 * RUN_MS }, () => {
  const before = new Set(traces());
  const inside = results(runChecks(ownTarget([])));
  inside.catch(() => undefined);
  // One after the other, since some look for whoever is on the machine.
  const without = inside.then(() => results(runChecks(WITHOUT)));
  without.catch(() => undefined);

  for (const check of CHECKS) {
    const id = fullId(check);
    void test(
      `a step ${check.group === 'practical' ? '' : 'never '}${check.title} (${id})`,
      { timeout: RUN_MS },
      async (context) => {
        const result = (await inside).get(id);
        assert.ok(result !== undefined);
        if (COUNTED.includes(id) && (await run('true')).enforced.memory.by === 'watched') {
          assert.equal(result.outcome, 'broken', 'it cannot be counted');
          return;
        }
        assert.notEqual(result.outcome, 'broken', result.reason);
        if (result.outcome === 'unproven') context.diagnostic(result.reason ?? '');
      },
    );
  }

  void test('shows something: most is got where there is no sandbox', { timeout: 2 * RUN_MS }, async () => {
    const [held, open] = await Promise.all([inside, without]);
    const proven = [...held.values()].filter(({ outcome, check }) => outcome === 'held' && check.group !== 'practical');
    assert.ok(proven.length >= (isRoot ? 350 : 250), `${proven.length} are proven`);
    const undetected = proven
      .map(({ check }) => fullId(check))
      .filter((id) => open.get(id)?.outcome !== 'broken')
      .map((id) => `${id}: ${told(open.get(id)?.inside ?? { kind: 'ended' })}`);
    assert.deepEqual(undetected, []);
    for (const { check, outcome } of open.values()) if (check.group === 'practical') assert.equal(outcome, 'held');
  });

  void test('leaves nothing', { timeout: 2 * RUN_MS }, async () => {
    await without;
    assert.deepEqual(
      traces().filter((path) => !before.has(path)),
      [],
    );
  });
});
