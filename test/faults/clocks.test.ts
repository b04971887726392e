// Clocks: nothing but the monotonic one counts here. That a jump of the wall clock changes nothing is tried where a clock may be set:
// test/qemu/guest/faults.test.mjs. Here it is the monotonic clock that differs, and the sources are asked which clocks they read.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { answerOf, PACKAGE } from '../helpers/app.js';
import { isRoot } from '../helpers/privileges.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** Deadlines of all kinds, in an app whose clocks are far ahead. */
const DEADLINES = `
  import { configureSpawner, closeSpawner, spawnSandbox } from 'spawn-sandbox';
  import { readFileSync } from 'node:fs';
  configureSpawner({ stateDirectory: process.env.STATE });
  const form = { allowWeaker: ['memory', 'processes', 'cpu', 'uid', 'groups'] };
  const causeOf = async (args, limits) => {
    const since = performance.now();
    const { cause, usage } = await spawnSandbox(args[0], args.slice(1), { ...form, limits });
    return { cause, seen: performance.now() - since, told: usage.wallTimeMs };
  };
  const ends = await Promise.all([
    causeOf(['sleep', '1000'], { wallTime: '1s' }),
    causeOf(['sleep', '1000'], { idleTime: '1s' }),
    causeOf(['sh', '-c', 'while :; do :; done'], { cpuTime: '1s' }),
    causeOf(['sleep', '1'], {}),
  ]);
  const inside = await spawnSandbox('cat', ['/proc/uptime'], form);
  await closeSpawner();
  console.log(JSON.stringify({ ends, monotonicS: Number(process.hrtime.bigint() / 1000000000n), inside: Number(inside.stdout.split(' ')[0]) }));`;

const YEAR_S = 31_536_000;

interface Answer {
  readonly ends: readonly { readonly cause: string; readonly seen: number; readonly told: number }[];
  readonly monotonicS: number;
}

/** Where the wall clock is read, and why a jump of it does no harm there. */
const WALL_CLOCK_READERS: Readonly<Record<string, string>> = {
  'src/sandbox/session.ts': 'compares with the times of files, which are the wall clock’s',
  'src/sandbox/commands.ts': 'tells people when something was',
  'src/sandbox/living-sandbox.ts': 'tells people when something was',
  'src/typed/running-call.ts': 'makes names that differ',
  'src/step/running-step.ts': 'makes names that differ',
};

/** All but the prober of the selftest, which no step depends on. */
function sources(directory: string, endings: readonly string[]): readonly string[] {
  return readdirSync(join(PACKAGE, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .map((name) => join(directory, name));
}

function namesIn(paths: readonly string[], pattern: RegExp): readonly string[] {
  return paths.filter((path) => pattern.test(readFileSync(join(PACKAGE, path), 'utf8')));
}

void suite('deadlines', { timeout: 60_000 }, () => {
  void test('hold in an app whose monotonic clock is a year ahead', async (context) => {
    const clocks = ['--time', `--monotonic=${YEAR_S}`, `--boottime=${YEAR_S}`, '--fork', '--kill-child'];
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    const back = isRoot ? [] : ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`];
    const command = ['unshare', ...(isRoot ? [] : ['--user', '--map-root-user']), ...clocks, ...back, process.execPath];
    const env = { STATE: join(temporaryDirectory(context), 'state') };
    const { ends, monotonicS } = (await answerOf(context, DEADLINES, { env, command })) as Answer;
    assert.ok(monotonicS > YEAR_S, `the control: the clock says ${monotonicS} s`);
    assert.deepEqual(
      ends.map(({ cause }) => cause),
      ['wallTimeout', 'idleTimeout', 'cpuTimeout', 'exit'],
    );
    for (const { seen, told } of ends) {
      assert.ok(seen > 900 && seen < 30_000 && told > 900 && told <= seen + 100, `${told} of ${seen} ms`);
    }
  });

  void test('are kept by no clock that somebody may set: what reads the wall clock is known, and none of it ends anything', () => {
    const native = ['common', 'sandbox', 'spawner', 'zygote', 'limits', 'addon'].flatMap((folder) =>
      sources(join('native', folder), ['.c', '.h']),
    );
    assert.ok(native.length > 50, 'the control: the sources are there');
    assert.deepEqual(namesIn(native, /CLOCK_MONOTONIC\b/), ['native/common/common.c']);
    assert.deepEqual(namesIn(native, /CLOCK_REALTIME|gettimeofday|[^_a-z]time\((?:NULL|0|&)/), []);
    const scripts = sources('src', ['.ts']);
    assert.ok(scripts.length > 150, 'the control: the sources are there');
    const readers = namesIn(scripts, /Date\.now\(|new Date\(\)/);
    assert.deepEqual(readers.toSorted(), Object.keys(WALL_CLOCK_READERS).toSorted());
    assert.ok(namesIn(scripts, /performance\.now\(/).length > 0, 'the control: deadlines are measured');
  });
});
