// Many steps of all kinds in one app: what there is before them is there afterwards, and no more. `FAULT_SOAK` says how many.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { answerOf } from '../helpers/app.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import type { SoakAnswer, SoakCounts } from './programs/soak-counts.js';
import { size } from './support/size.js';

const STEPS = size('SOAK', { short: 2000, long: 100_000 });

/**
 * By how much a count may grow. Cgroups, with their descriptors and processes, are kept for sandboxes to come: as many as there ever
 * were at one moment. What each step loses grows by as much as there are steps instead.
 */
const ALLOWED: Partial<Record<keyof SoakCounts, number>> = {
  'descriptors of the spawner': 640,
  'processes below the app': 8,
  cgroups: 256,
  'KiB of the app': 48 * 1024,
  'KiB of its heap': 3 * 1024,
  'KiB of the spawner': 1024,
};

void test(`${STEPS} steps in one app leave as much as there was before`, { timeout: 2_400_000 }, async (context) => {
  const state = join(temporaryDirectory(context), 'state');
  const program = `process.argv.splice(1, 0, 'soak.js'); await import('./build/test/faults/programs/soak.js');`;
  const within = 2_300_000;
  const answer = (await answerOf(context, program, { args: [state, String(STEPS)], within })) as SoakAnswer;
  const { before, after, kinds, seconds, left } = answer;
  const total = Object.values(kinds).reduce((sum, count) => sum + count, 0);
  assert.equal(total, STEPS);
  const byKind = Object.entries(kinds).map(([kind, count]) => `${count} ${kind}`);
  context.diagnostic(`soak: ${STEPS} steps in ${seconds.toFixed(0)} s: ${byKind.join(', ')}`);
  for (const name of Object.keys(before) as (keyof SoakCounts)[]) {
    context.diagnostic(`soak: ${name}: ${before[name]} before, ${after[name]} after`);
  }
  for (const name of Object.keys(before) as (keyof SoakCounts)[]) {
    assert.ok(
      after[name] <= before[name] + (ALLOWED[name] ?? 0),
      `${name}: ${before[name]} before, ${after[name]} after`,
    );
  }
  assert.equal(left, 0, 'no process is left');
  assert.deepEqual(
    readdirSync(state).filter((name) => name !== 'uid-locks'),
    [],
  );
});
