// Whatever an app has is killed at random moments while it works: nothing waits for ever, no result is wrong, and nothing is left.
// `FAULT_KILLS` says how often and `FAULT_SEED` which; `npm run test:long` does it 1,000 times.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isRoot } from '../helpers/privileges.js';
import { until } from '../helpers/until.js';
import { KINDS } from './programs/load-lines.js';
import { LoadedApp, Places, type Strike } from './support/loaded-app.js';
import { type Victim, VICTIMS } from './support/population.js';
import { integer, type Random, randomNumbers } from '../helpers/random.js';
import { type Found, isNothing, Residue } from './support/residue.js';
import { size } from './support/size.js';

const KILLS = size('KILLS', { short: 40, long: 1000 });
const LONGEST_MS = 120;
/** What was begun so long after a kill may still meet its dead. */
const AFTERMATH_MS = 2000;
/** A new app takes longer than all the others. */
const LOTS: readonly Victim[] = [...VICTIMS, ...VICTIMS.filter((victim) => !victim.startsWith('app'))];
/** How many steps one kill may cost at most: a process that is a step's own takes no other along, and what a zygote has forked outlives it. */
const MOST_LOST: Readonly<Partial<Record<Victim, number>>> = { step: 1, zygote: 0 };

/** Apps that follow each other, each with a load, until all kills are done. */
class Campaign {
  readonly strikes: Strike[] = [];
  readonly done: Record<string, number> = {};
  lost = 0;
  readonly residue: Residue;
  readonly #context: TestContext;
  readonly #random: Random;
  #lots: Victim[] = [];
  readonly #places: Places;
  #app: LoadedApp;

  constructor(context: TestContext, random: Random) {
    this.#context = context;
    this.#random = random;
    this.#places = new Places(context);
    this.residue = new Residue(this.#places);
    this.#app = this.#start();
  }

  #start(): LoadedApp {
    return new LoadedApp(this.#context, this.#places, integer(this.#random, 2 ** 31));
  }

  async begin(): Promise<void> {
    await this.#app.isUp();
  }

  /** Without a kill no step is lost: what is lost later is so by kills. */
  async quietly(): Promise<void> {
    await pause(1000);
    const { done, lost } = await this.#app.isWell();
    this.#isRight();
    assert.equal(lost, 0, JSON.stringify(this.#app.lost));
    assert.ok(KINDS.every((kind) => done[kind] > 0));
  }

  async strike(): Promise<void> {
    await pause(this.#random() * LONGEST_MS);
    const victim = this.#draw();
    const app = this.#app;
    this.residue.note(app.pid);
    const strike = await app.strike(victim, this.#random);
    if (strike === undefined) return;
    this.strikes.push(strike);
    if (app.isRunning) {
      await app.isWell();
      this.#isRight();
      return;
    }
    this.#settle();
    await this.#untilOnlyFilesAreLeft();
    this.#app = this.#start();
    await this.#app.isUp();
    // It has swept when its first step has run.
    assert.deepEqual(whatIs(this.residue.find(this.#app.pid)), [], `after a kill of ${victim}`);
  }

  /** All lots are drawn before one comes again: also few kills meet everybody. */
  #draw(): Victim {
    if (this.#lots.length === 0) this.#lots = [...LOTS];
    const [victim = 'any'] = this.#lots.splice(integer(this.#random, this.#lots.length), 1);
    return victim;
  }

  async end(): Promise<void> {
    this.residue.note(this.#app.pid);
    const { children, descriptors } = await this.#app.stop();
    this.#settle();
    assert.equal(children, 0, 'the app has no child, also none that nobody waited for');
    assert.ok(descriptors.after <= descriptors.before + 3, `descriptors: ${JSON.stringify(descriptors)}`);
    await settled(() => isNothing(this.residue.find()));
    assert.deepEqual(whatIs(this.residue.find()), []);
  }

  /** Without the next app: processes go with whoever was their parent. */
  async #untilOnlyFilesAreLeft(): Promise<void> {
    const found = (): readonly string[] =>
      [this.residue.find()].flatMap(({ processes, mounts }) => [...processes, ...mounts]);
    await settled(() => found().length === 0);
    assert.deepEqual(found(), []);
  }

  #isRight(): void {
    assert.deepEqual(this.#app.wrong, []);
    for (const { by, kind, from, to } of this.#app.lost) {
      const near = this.strikes.filter(({ at }) => at >= from - AFTERMATH_MS && at <= to);
      assert.ok(near.length > 0, `a ${kind} was lost by ${by}, and nobody was killed`);
    }
    for (const [index, { victim, at }] of this.strikes.entries()) {
      const next = this.strikes[index + 1]?.at ?? Infinity;
      const previous = this.strikes[index - 1]?.at ?? -Infinity;
      const most = MOST_LOST[victim];
      if (most === undefined) continue;
      const alone = this.#app.lost.filter(
        ({ from, to }) => from - AFTERMATH_MS <= at && at <= to && to < next && previous < from - AFTERMATH_MS,
      );
      assert.ok(alone.length <= most, `a kill of one ${victim} has cost ${JSON.stringify(alone)}`);
    }
  }

  /** Of an app that has ended. */
  #settle(): void {
    this.#isRight();
    this.lost += this.#app.lost.length;
  }
}

/** Resolves also when it has not come true, for a failure that shows what there was instead. */
async function settled(isSo: () => boolean): Promise<void> {
  await until('it is so', isSo, { within: 30_000, every: 20 }).catch(() => undefined);
}

function whatIs(found: Found): readonly unknown[] {
  return Object.entries(found).filter(([, list]) => (list as readonly string[]).length > 0);
}

void suite('whatever is killed while an app works', { timeout: 3_000_000 }, () => {
  void test('hangs nothing, makes no result wrong, and leaves nothing', async (context) => {
    const seed = Number(process.env['FAULT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    context.diagnostic(`seed ${seed}: FAULT_SEED=${seed} FAULT_KILLS=${KILLS} chooses the same`);
    const campaign = new Campaign(context, randomNumbers(seed));
    await campaign.begin();
    await campaign.quietly();
    try {
      while (campaign.strikes.length < KILLS) await campaign.strike();
      await campaign.end();
    } catch (error) {
      context.diagnostic(`after ${campaign.strikes.length} kills`);
      for (const { victim, at, who } of campaign.strikes.slice(-8))
        context.diagnostic(`${at} killed: ${victim}, ${who}`);
      throw error;
    }
    const byVictim = VICTIMS.map(
      (victim) => `${campaign.strikes.filter((one) => one.victim === victim).length} ${victim}`,
    );
    context.diagnostic(`${KILLS} kills: ${byVictim.join(', ')}; ${campaign.lost} steps told that they were lost`);
    assert.ok(campaign.lost > 0, 'the control: kills meet steps');
  });

  void test('the control: what a spawner that stands still leaves of its app is found, and is gone when it goes on', async (context) => {
    const places = new Places(context);
    const residue = new Residue(places);
    const app = new LoadedApp(context, places, 1);
    await app.isUp();
    residue.note(app.pid);
    assert.ok(isNothing(residue.find(app.pid)), 'what belongs to a live app is none');
    const { processes, cgroups } = residue.noted;
    const spawners = app.stopSpawner();
    context.after(() => {
      spawners.go();
    });
    await app.strike('app', randomNumbers(1));
    writeFileSync(join(places.temporary, 'left'), '');
    const found = residue.find();
    assert.ok(processes > 5 && found.processes.length > 5, found.processes.join());
    assert.deepEqual(found.temporary, ['left']);
    if (cgroups > 0) assert.ok(found.cgroups.length > cgroups && found.records.length === 1, JSON.stringify(found));
    if (isRoot) assert.ok(found.mounts.length > 0 && found.leases.length > 0, JSON.stringify(found));
    spawners.go();
    await until('the rest is gone', () => {
      return isNothing({ ...residue.find(), temporary: [] });
    });
  });
});
