import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import type { Enforced } from 'spawn-sandbox';
import { testWith } from '../helpers/tools.js';
import { ORDINARY_ID, READ_ONLY_CGROUPS, SUBORDINATE_IDS, type World, Worlds } from '../helpers/worlds.js';

const skip = process.geteuid?.() === 0 ? false : 'needs root to build the environments';
let made: Worlds | undefined;
after(() => made?.[Symbol.dispose]());

interface Said {
  readonly id: string;
  readonly detail: string;
  readonly enforced: Enforced;
}

/** A step of a warm Python without anything, one with a directory to write in, and who owns what that has left there. */
const APP = `
import { mkdtempSync, rmSync, statSync } from 'node:fs';
const directory = mkdtempSync('/tmp/zygote-environments-');
const zygote = await createZygote({ runtime: 'python', parked: 1, allowWeaker: ['memory', 'processes', 'cpu', 'uid'] });
const said = async (code, options) => {
  const { stdout, detail, enforced } = await zygote.spawn({ code }, options);
  return { id: stdout.trim(), detail, enforced };
};
const own = 'import os; print(os.getuid(), [line.split()[1] for line in open("/proc/self/uid_map")])';
const plain = await Promise.all([said(own), said(own)]);
const writes = await said(\`open("\${directory}/left", "w").write("x"); import os; print(os.getuid())\`, { filesystem: { writable: [directory] } });
const { uid, size } = statSync(directory + '/left');
await zygote.destroy();
await closeSpawner();
rmSync(directory, { recursive: true });
console.log(JSON.stringify({ plain, writes, left: { uid, size } }));`;

function seenIn(world: World): {
  readonly plain: readonly Said[];
  readonly writes: Said;
  readonly left: { readonly uid: number; readonly size: number };
} {
  made ??= new Worlds();
  const { status, stdout, stderr } = made.app(world, APP);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as ReturnType<typeof seenIn>;
}

void suite('a warm Python and its steps', { skip }, () => {
  void test('of root, where no cgroup can be written', { timeout: 120_000 }, () => {
    const { plain, writes, left } = seenIn({ before: READ_ONLY_CGROUPS });
    for (const { detail, enforced, id } of [...plain, writes]) {
      assert.equal(detail, 'Exited with status 0.');
      assert.equal(enforced.memory.by, 'watched', 'the control: no cgroup counts');
      assert.equal(enforced.uid.state, 'enforced');
      assert.match(id, /^1000\b/);
    }
    assert.deepEqual(left, { uid: 0, size: 1 });
  });

  const title = 'of a user with a range of ids: each has its own, but who writes for the user';
  testWith(['newuidmap'], title, (): Promise<void> => {
    const { plain, writes, left } = seenIn(SUBORDINATE_IDS);
    for (const { detail, enforced } of plain) {
      assert.equal(detail, 'Exited with status 0.');
      assert.deepEqual(enforced.uid, { state: 'enforced', by: 'leased id' });
      assert.equal(enforced.groups.state, 'enforced');
    }
    assert.notEqual(plain[0]?.id, plain[1]?.id, 'their maps lead to other ids');
    assert.equal(writes.detail, 'Exited with status 0.');
    assert.equal(writes.enforced.uid.by, 'shared id');
    assert.deepEqual(left, { uid: ORDINARY_ID, size: 1 });
    return Promise.resolve();
  });
});
