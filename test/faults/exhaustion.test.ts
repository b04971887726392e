// Something runs out: who needs it is told so by a code and what to do about it, who runs goes on, and when it is there again all is as before.
// Descriptors: test/integration/resources.test.ts. Room for scratch space on a disk: test/integration/scratch-on-disk.test.ts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { spawnSandbox } from 'spawn-sandbox';
import { type App, startApp } from '../helpers/app.js';
import { spawnersOf } from '../helpers/marked-processes.js';
import { isRoot } from '../helpers/privileges.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { until } from '../helpers/until.js';
import { ANY_FORM } from '../helpers/weaker.js';

const CODE = `process.argv.splice(1, 0, 'short-of.js'); await import('./build/test/faults/programs/short-of.js');`;

async function startShort(
  context: TestContext,
  state: string,
  options: Parameters<typeof startApp>[2] = {},
): Promise<App> {
  const app = startApp(context, CODE, { args: [state], ...options });
  assert.deepEqual(JSON.parse(await app.line()), ['up']);
  return app;
}

async function burst(app: App, count: number): Promise<readonly string[]> {
  app.child.stdin?.write(`${count}\n`);
  return JSON.parse(await app.line()) as readonly string[];
}

async function endsWell(app: App): Promise<void> {
  app.child.stdin?.end();
  const { status, stderr } = await app.ended;
  assert.equal(status, 0, stderr);
}

/** Some are refused, all by this code; and the next ones are fine. */
async function isToldAndRecovers(
  app: App,
  { take, giveBack, count = 6 }: { readonly take: () => void; readonly giveBack: () => void; readonly count?: number },
): Promise<void> {
  const [spawner] = spawnersOf(app.pid);
  take();
  const outcomes = await burst(app, count);
  assert.deepEqual(
    new Set(outcomes.filter((outcome) => outcome !== 'ok')),
    new Set(['ERR_RESOURCES']),
    outcomes.join(),
  );
  giveBack();
  assert.deepEqual(
    await burst(app, 6),
    Array.from({ length: 6 }, () => 'ok'),
  );
  assert.deepEqual(spawnersOf(app.pid), [spawner], 'the spawner has survived it');
}

function limitSpawner(app: App, limit: string): void {
  const [pid = 0] = spawnersOf(app.pid);
  const { status, stderr } = spawnSync('prlimit', [`--pid=${pid}`, limit], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/** A cgroup of the test's own, below where it is itself, in the hierarchy that counts processes. */
function ownPidsCgroup(context: TestContext): string {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n');
  const v1 = lines.find((line) => line.split(':')[1]?.split(',').includes('pids'));
  const [, , own = '/'] = (v1 ?? lines[0] ?? '').split(':');
  const directory = join(v1 === undefined ? '/sys/fs/cgroup' : '/sys/fs/cgroup/pids', own, `faults-${process.pid}`);
  mkdirSync(directory);
  context.after(() => until('the cgroup is empty', () => removed(directory)));
  return directory;
}

function removed(directory: string): boolean {
  try {
    rmdirSync(directory);
  } catch {
    return !existsSync(directory);
  }
  return true;
}

void suite('out of', { timeout: 120_000 }, () => {
  void test('processes', async (context) => {
    const state = join(temporaryDirectory(context), 'state');
    if (!isRoot) {
      const app = await startShort(context, state);
      await isToldAndRecovers(app, {
        take: () => {
          limitSpawner(app, '--nproc=0:');
        },
        giveBack: () => {
          limitSpawner(app, '--nproc=4096:');
        },
      });
      await endsWell(app);
      return;
    }
    // No limit of processes holds for root, but that of a cgroup.
    const cgroup = ownPidsCgroup(context);
    const command = ['sh', '-c', `echo $$ > ${cgroup}/cgroup.procs; exec "$@"`, 'sh', process.execPath];
    const app = await startShort(context, state, { command });
    const limit = join(cgroup, 'pids.max');
    await isToldAndRecovers(app, {
      take: () => {
        writeFileSync(limit, readFileSync(join(cgroup, 'pids.current'), 'utf8').trim());
      },
      giveBack: () => {
        writeFileSync(limit, 'max');
      },
    });
    await endsWell(app);
  });

  void test('memory, of the spawner', async (context) => {
    const app = await startShort(context, join(temporaryDirectory(context), 'state'));
    await isToldAndRecovers(app, {
      count: 80,
      take: () => {
        // Not 0, which the kernel takes for none at all where the hard limit is higher.
        limitSpawner(app, '--data=1:');
      },
      giveBack: () => {
        limitSpawner(app, '--data=unlimited:');
      },
    });
    await endsWell(app);
  });

  for (const [what, options] of [
    ['room in the state directory', 'size=64k'],
    ['inodes in the state directory', 'nr_inodes=24'],
  ] as const) {
    void test(what, async (context) => {
      const directory = temporaryDirectory(context);
      const { uid, gid } = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
      const mount = `mount -t tmpfs -o ${options},mode=0777 tmpfs ${directory} && mkdir -m 0700 ${directory}/state && exec "$@"`;
      const outer = ['unshare', ...(isRoot ? [] : ['--user', '--map-root-user']), '--mount', 'sh', '-c', mount, 'sh'];
      const inner = isRoot ? [] : ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`];
      // "later": no step runs before something is short; the spawner has to start then.
      const app = startApp(context, CODE, {
        args: [join(directory, 'state'), 'later'],
        command: [...outer, ...inner, process.execPath],
      });
      assert.deepEqual(JSON.parse(await app.line()), ['up']);
      const inside = `/proc/${app.pid}/root${directory}`;
      const filler = join(inside, 'filler');
      mkdirSync(filler);
      fill(filler, what.startsWith('room'));
      const outcomes = await burst(app, 3);
      // Where nothing is put on record, an empty file is all that a spawner needs.
      const { enforced } = await spawnSandbox('true', [], ANY_FORM);
      const needsIt = enforced.memory.by !== 'watched' || what.startsWith('inodes');
      assert.deepEqual(new Set(outcomes), new Set([needsIt ? 'ERR_SPAWNER_START' : 'ok']), outcomes.join());
      rmSync(filler, { recursive: true });
      assert.deepEqual(await burst(app, 3), ['ok', 'ok', 'ok']);
      mkdirSync(filler);
      fill(filler, what.startsWith('room'));
      assert.deepEqual(await burst(app, 3), ['ok', 'ok', 'ok'], 'who has started needs no more of it');
      await endsWell(app);
      assert.ok(readdirSync(directory).length === 0, 'the mount was the app’s own');
    });
  }
});

/** Until nothing more can be written, or no more files made. */
function fill(directory: string, withBytes: boolean): void {
  for (let index = 0; index < 10_000; index++) {
    try {
      writeFileSync(join(directory, String(index)), withBytes ? Buffer.alloc(4096) : '');
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      return;
    }
  }
  assert.fail('it cannot be filled');
}
