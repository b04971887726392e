// An app or its spawner that is killed at any moment of a commit: each file is the old one or the new one as a whole.
// `OVERLAY_KILLS` says how often; `npm run test:long` does it 100 times.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { KilledApp, type Victim } from '../helpers/killed-app.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';

const KILLS = Number(process.env['OVERLAY_KILLS'] ?? 8);
const VICTIMS: readonly Victim[] = ['app', 'both', 'app', 'spawner'];
const FILES = 40;
const LINES = 5000;
const TEMPORARY = /^\.spawn-sandbox-[0-9a-f]{18}$/;

const numbers = Array.from({ length: FILES }, (_, index) => index);
const content = (word: string, number: number): string => `${word} ${number}\n`.repeat(LINES);

/** Of each number three files: one is replaced, one is deleted, one is new. */
const OLD = Object.fromEntries(
  numbers.flatMap((number) => [
    [`d/changed-${number}`, content('old', number)],
    [`d/deleted-${number}`, content('old', number)],
  ]),
);
const SCRIPT = `
for number in $(seq 0 ${FILES - 1}); do
  yes "new $number" | head -n ${LINES} > d/changed-$number
  chmod 600 d/changed-$number
  ln d/changed-$number d/added-$number
  rm d/deleted-$number
done`;

interface Found {
  /** Changes that have come to the original, of three for each number. */
  readonly done: number;
  readonly temporary: number;
}

/** @throws AssertionError for a file that is neither the old nor the new one */
function look(directory: string, when: string): Found {
  const names = new Set(readdirSync(join(directory, 'd')));
  let done = 0;
  for (const number of numbers) {
    const [changed, deleted, added] = ['changed', 'deleted', 'added'].map((kind) => `${kind}-${number}`);
    if (isNew(directory, changed, number, when)) done++;
    if (!names.has(deleted ?? '')) done++;
    else assert.equal(isNew(directory, deleted, number, when), false, when);
    if (names.has(added ?? '')) {
      assert.equal(isNew(directory, added, number, when), true, when);
      done++;
    }
    for (const name of [changed, deleted, added]) names.delete(name ?? '');
  }
  const others = [...names];
  assert.ok(
    others.every((name) => TEMPORARY.test(name)),
    others.join(),
  );
  assert.deepEqual(readdirSync(directory), ['d']);
  return { done, temporary: others.length };
}

/** What is deleted goes first. */
function hasBegun(directory: string): boolean {
  return readdirSync(join(directory, 'd')).length < Object.keys(OLD).length;
}

function isNew(directory: string, name = '', number: number, when: string): boolean {
  const path = join(directory, 'd', name);
  const text = readFileSync(path, 'utf8');
  const { mode } = statSync(path);
  const [isOld, isNew] = [text === content('old', number), text === content('new', number)];
  assert.ok(isOld || isNew, `${when}: ${name} is torn, with ${text.length} characters`);
  assert.equal(mode & 0o7777, isNew ? 0o600 : 0o644, `${when}: mode of ${name}`);
  return isNew;
}

function start(context: TestContext): { readonly app: KilledApp; readonly directory: string } {
  const directory = temporaryDirectory(context, OLD);
  return { app: new KilledApp(context, './app-that-commits.js', [directory, 'MARKER', SCRIPT]), directory };
}

void suite('an app or its spawner that is killed while it commits', () => {
  void test('leaves each file old or new as a whole', { timeout: 470_000 }, async (context) => {
    const control = start(context);
    await control.app.hasSaid('committing');
    const begun = performance.now();
    await control.app.hasSaid('committed');
    const wholeMs = performance.now() - begun;
    assert.deepEqual(look(control.directory, 'the control'), { done: 3 * FILES, temporary: 0 });

    let [partly, temporaries] = [0, 0];
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = VICTIMS[kill % VICTIMS.length] ?? 'app';
      const { app, directory } = start(context);
      await app.hasSaid('committing');
      if (kill % 3 > 0) await until('the commit has begun', () => hasBegun(directory), { every: 1 });
      await setTimeout((Math.random() * wholeMs) / 2);
      await app.kill(victim);
      const { done, temporary } = look(directory, `kill ${kill} of ${victim}`);
      if (done > 0 && done < 3 * FILES) partly++;
      assert.ok(temporary <= 1, `kill ${kill} of ${victim}: ${temporary} temporary files`);
      temporaries += temporary;
      await app.leavesNothing([directory]);
      rmSync(directory, { recursive: true }); // a hundred of them are much
    }
    context.diagnostic(
      `${KILLS} kills of commits that take ${Math.round(wholeMs)} ms, ${partly} of them in the middle, ${temporaries} temporary files left`,
    );
    assert.ok(partly > 0, 'the control: kills come in the middle of a commit');
  });
});
