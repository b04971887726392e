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
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
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
// Nobody but the app may enter it.
writeFileSync(directory + '/closed', 'y', { mode: 0o600 });
const sees = await createZygote({ runtime: 'python', parked: 1, filesystem: { readOnly: [directory] }, allowWeaker: ['memory', 'processes', 'cpu', 'uid'] });
const reading = \`print(open("\${directory}/closed").read())\`;
const reads = (await sees.spawn({ code: reading })).stdout.trim();
const without = await sees.spawn({ code: reading }, { filesystem: {} });
const commands = [directory, '/usr/share'].map((path) => spawnSandbox('cat', [directory + '/closed'], { filesystem: { readOnly: [path] }, allowWeaker: ['memory', 'processes', 'cpu', 'uid'] }));
const [shown, other] = await Promise.all(commands);
await sees.destroy();
await closeSpawner();
rmSync(directory, { recursive: true });
console.log(JSON.stringify({ plain, writes, left: { uid, size }, closed: {
  reads, without: without.stderr.trim().split('\\n').at(-1).split(':')[0],
  shown: [shown.stdout, shown.enforced.uid.by], other: [other.status, other.enforced.uid.by] } }));`;

function seenIn(world: World): {
  readonly plain: readonly Said[];
  readonly writes: Said;
  readonly left: { readonly uid: number; readonly size: number };
  readonly closed: unknown;
} {
  made ??= new Worlds();
  const { status, stdout, stderr } = made.app(world, APP);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as ReturnType<typeof seenIn>;
}

void suite('a warm Python and its steps', { skip }, () => {
  void test('of root, where no cgroup can be written', { timeout: 120_000 }, () => {
    const { plain, writes, left, closed } = seenIn({ before: READ_ONLY_CGROUPS });
    for (const { detail, enforced, id } of [...plain, writes]) {
      assert.equal(detail, 'Exited with status 0.');
      assert.equal(enforced.memory.by, 'watched', 'the control: no cgroup counts');
      assert.equal(enforced.uid.state, 'enforced');
      assert.match(id, /^1000\b/);
    }
    assert.deepEqual(left, { uid: 0, size: 1 });
    assert.deepEqual(closed, {
      reads: 'y',
      without: 'FileNotFoundError',
      shown: ['y', 'leased id'],
      other: [1, 'leased id'],
    });
  });

  const title = 'of a user with a range of ids: each has its own, but who writes for the user';
  testWith(['newuidmap'], title, (): Promise<void> => {
    const { plain, writes, left, closed } = seenIn(SUBORDINATE_IDS);
    for (const { detail, enforced } of plain) {
      assert.equal(detail, 'Exited with status 0.');
      assert.deepEqual(enforced.uid, { state: 'enforced', by: 'leased id' });
      assert.equal(enforced.groups.state, 'enforced');
    }
    assert.notEqual(plain[0]?.id, plain[1]?.id, 'their maps lead to other ids');
    assert.equal(writes.detail, 'Exited with status 0.');
    assert.equal(writes.enforced.uid.by, 'shared id');
    assert.deepEqual(left, { uid: ORDINARY_ID, size: 1 });
    assert.deepEqual(closed, {
      reads: 'y',
      without: 'FileNotFoundError',
      shown: ['y', 'shared id'],
      other: [1, 'leased id'],
    });
    return Promise.resolve();
  });
});
