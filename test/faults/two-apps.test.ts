// Two apps with one state directory: they never have the same identity at the same time, and neither sweeps what the other uses.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { recordedCgroups } from '../helpers/cgroup-records.js';
import { descendantsOf, runs, spawnersOf } from '../helpers/marked-processes.js';
import { isRoot } from '../helpers/privileges.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';
import type { Lease } from './programs/lease.js';
import { size } from './support/size.js';

const PROGRAM = fileURLToPath(new URL('./programs/leaser.js', import.meta.url));
const ROUNDS = size('RESTARTS', { short: 4, long: 40 });
/** So few that two apps have to take what the other has just given back. */
const RANGE = { start: 1_700_000_000, count: 16 };
const AT_ONCE = 3;

/** A running `leaser.js`. */
class Leaser {
  readonly leases: Lease[] = [];
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(context: TestContext, state: string) {
    const args = [PROGRAM, state, String(RANGE.start), String(RANGE.count), String(AT_ONCE)];
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    context.after(() => this.#child.kill('SIGKILL'));
    assert.ok(this.#child.stdout);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  get spawner(): number {
    return spawnersOf(this.#child.pid ?? 0)[0] ?? 0;
  }

  /** Ten more steps of it end well. */
  async goesOn(): Promise<void> {
    this.#child.stdin?.write('go on\n');
    const next = await this.#lines.next();
    assert.notEqual(next.done, true, 'the app has ended');
    this.leases.push(...(JSON.parse(String(next.value)) as Lease[]));
  }

  /** With its spawner, so that nobody is left to tidy up. */
  async kill(): Promise<void> {
    const below = descendantsOf(this.#child.pid ?? 0);
    const { spawner } = this;
    this.#child.kill('SIGKILL');
    if (spawner > 0) process.kill(spawner, 'SIGKILL');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close');
    await until('nothing of it runs', () => !below.some(runs));
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end('stop\n');
    if (this.#child.exitCode === null) await once(this.#child, 'close');
    assert.equal(this.#child.exitCode, 0);
  }
}

/** Leases of one identity at the same time. */
function conflicts(leases: readonly Lease[]): readonly string[] {
  const spans = leases.flatMap(({ uids, from, to }) => uids.map((uid) => ({ uid, from, to })));
  const sorted = spans.toSorted((a, b) => a.uid - b.uid || a.from - b.from);
  return sorted.flatMap(({ uid, from, to }, index) => {
    const next = sorted[index + 1];
    return next?.uid === uid && next.from < to ? [`${uid}: ${from} to ${to}, and from ${next.from}`] : [];
  });
}

function recordsIn(state: string): readonly string[] {
  return readdirSync(state).filter((name) => name !== 'uid-locks');
}

const needsRoot = { skip: isRoot ? false : 'an ordinary user has no range of its own', timeout: 300_000 };

void suite('two apps at once', () => {
  void test('never have the same identity at the same time', needsRoot, async (context) => {
    const state = join(temporaryDirectory(context), 'state');
    const apps = [new Leaser(context, state), new Leaser(context, state)];
    for (let round = 0; round < ROUNDS; round++) await Promise.all(apps.map((app) => app.goesOn()));
    const [one, two] = apps.map(({ leases }) => leases);
    assert.ok(one !== undefined && two !== undefined);
    assert.deepEqual(conflicts([...one, ...two]), []);
    context.diagnostic(
      `${one.length + two.length} leases of ${RANGE.count / 2}, ${AT_ONCE} at once in each of two apps`,
    );
    await Promise.all(apps.map((app) => app.stop()));
  });

  void test('the control: with a state directory each they would', needsRoot, async (context) => {
    const apps = [0, 1].map(() => new Leaser(context, join(temporaryDirectory(context), 'state')));
    for (let round = 0; round < 6; round++) await Promise.all(apps.map((app) => app.goesOn()));
    assert.ok(conflicts(apps.flatMap(({ leases }) => leases)).length > 0);
    await Promise.all(apps.map((app) => app.stop()));
  });

  void test(
    'sweep what one of them has left that was killed and started again, and nothing of the other',
    { timeout: 400_000 },
    async (context) => {
      const state = join(temporaryDirectory(context), 'state');
      const leases: Lease[] = [];
      let [stays, victim] = [new Leaser(context, state), new Leaser(context, state)];
      await stays.goesOn();
      for (let round = 0; round < ROUNDS; round++) {
        [stays, victim] = [victim, stays];
        await victim.goesOn();
        await stays.goesOn();
        await pause(Math.random() * 100);
        const { spawner } = stays;
        await victim.kill();
        leases.push(...victim.leases);
        const left = { records: recordsIn(state), cgroups: recordedCgroups(state) };
        victim = new Leaser(context, state);
        await Promise.all([victim.goesOn(), stays.goesOn()]);
        assert.equal(stays.spawner, spawner, 'the other spawner goes on');
        const now = { records: recordsIn(state), cgroups: recordedCgroups(state) };
        if (left.records.length > 0) {
          assert.equal(left.records.length, 2, 'the control: the record of the dead lies there');
          assert.equal(now.records.filter((name) => left.records.includes(name)).length, 1, 'one of them was swept');
          assert.equal(now.records.length, 2, 'the new one has its own');
        }
        const [kept, swept] = [
          left.cgroups.filter((path) => existsSync(path)),
          left.cgroups.filter((path) => !existsSync(path)),
        ];
        assert.deepEqual([kept.length, swept.length], [left.cgroups.length / 2, left.cgroups.length / 2]);
        assert.ok(
          kept.every((path) => now.cgroups.includes(path)),
          'what is left is on a living record',
        );
      }
      assert.deepEqual(conflicts([...leases, ...stays.leases, ...victim.leases].filter(() => isRoot)), []);
      const all = [...leases, ...stays.leases, ...victim.leases].length;
      context.diagnostic(`${ROUNDS} times one of two was killed and started again; ${all} leases`);
      await Promise.all([stays.stop(), victim.stop()]);
      assert.deepEqual(recordsIn(state), []);
    },
  );
});
