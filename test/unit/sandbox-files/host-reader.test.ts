import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { suite, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { noCounts } from '#src/sandbox/files/copy-options.js';
import { HostReader } from '#src/sandbox/files/host-reader.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';

const DEED = { verb: 'copy to', path: '/x' };
const BOUNDS = { limit: 10_000, entries: 50, depth: 8, overwrite: false, timeout: 1000, signal: undefined } as const;

/** What this process has open at or below a directory. */
function openBelow(directory: string): readonly string[] {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // of the listing itself
    }
  });
  return targets.filter((target) => target.startsWith(directory));
}

async function readAll(reader: HostReader): Promise<void> {
  for await (const frame of reader.frames()) assert.ok(frame.length > 0);
}

void suite('what is read of the host', () => {
  void test('is closed at whatever moment nobody wants it any more', async (context) => {
    const directory = temporaryDirectory(context, { 'a/b/c/d/file': 'x', 'a/b/other': 'y' });
    let met = 0;
    for (let turns = 0; turns < 120; turns++) {
      const reader = await HostReader.open(`${directory}/a`, DEED, BOUNDS, noCounts());
      const reading = readAll(reader).catch(() => undefined);
      for (let waited = 0; waited < turns; waited++) await turn();
      if (openBelow(directory).length > 1) met++;
      await reader.close();
      await reading;
      assert.deepEqual(openBelow(directory), [], `after ${turns} turns`);
    }
    assert.ok(met > 0, 'the control: something was open in the middle');
  });
});
