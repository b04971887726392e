// An app or a spawner that is killed at any moment while commands change overlays: the host's directories stay as they were, and
// nothing is left behind. `OVERLAY_KILLS` says how often; `npm run test:long` does it 100 times.
import assert from 'node:assert/strict';
import { chmodSync, linkSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { KilledApp, type Victim, whoMounts } from '../helpers/killed-app.js';
import { listing } from '../helpers/listing.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const KILLS = Number(process.env['OVERLAY_KILLS'] ?? 8);
const VICTIMS: readonly Victim[] = ['app', 'spawner', 'both'];
const LONGEST_MS = 500;

void suite('an app or a spawner that is killed while commands change overlays', () => {
  void test('changes nothing of the host, and leaves nothing', { timeout: 470_000 }, async (context) => {
    const original = temporaryDirectory(context, {
      ...{ a: 'one\n', 'd/b': 'two\n', 'd/deep/c': 'three\n', 'e/f': 'four\n', 'e/x.key': 'five\n', secret: 'six\n' },
      tool: '#!/bin/sh\n',
    });
    const writable = temporaryDirectory(context, { kept: 'kept\n', secret: 'secret\n', other: 'other\n' });
    symlinkSync('a', join(original, 'link'));
    linkSync(join(original, 'a'), join(original, 'again'));
    chmodSync(join(original, 'tool'), 0o4755);
    const before = listing(original) + listing(writable);
    let [running, mounting, early] = [0, 0, 0];
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = VICTIMS[kill % VICTIMS.length] ?? 'app';
      const app = new KilledApp(context, './app-with-overlays.js', [original, writable, 'MARKER']);
      const isEarly = kill % 4 === 3;
      if (isEarly) early++;
      else await app.hasSaid('up');
      await setTimeout(Math.random() * LONGEST_MS);
      if (whoMounts([original, writable]).length > 0) mounting++;
      if ((await app.kill(victim)) > 0) running++;
      await app.leavesNothing([original, writable]);
      assert.equal(listing(original) + listing(writable), before, `kill ${kill} of ${victim}`);
    }
    context.diagnostic(
      `${KILLS} kills, ${early} of them while the app began, ${running} with commands running, ${mounting} with mounts`,
    );
    assert.ok(running > 0 && mounting > 0, 'the control: kills meet running commands, and mounts are seen');
    const { atime, mtime } = statSync(join(original, 'a'));
    writeFileSync(join(original, 'a'), 'ONE\n');
    utimesSync(join(original, 'a'), atime, mtime);
    assert.notEqual(listing(original) + listing(writable), before, 'the control: a change that hides itself is seen');
    assert.equal(readFileSync(join(writable, 'kept'), 'utf8'), 'kept\n');
  });
});
