// node bench/leaks.mjs [COUNT] [--zygote]: many starts, of commands or of steps of one warm Python, and what is left of them in the
// app, the spawner, the zygote and the kernel.
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseArgs } from 'node:util';
import { closeSpawner, createZygote, spawnSandbox } from 'spawn-sandbox';
import { cgroupCount, cgroupNameOf } from './observe/cgroups.mjs';
import { descendants, descriptorCount, memoryOf, mountCount, read, spawnerPid } from './observe/processes.mjs';
import { printTable } from './report.mjs';

const WARM_UP = 1000;
const AT_ONCE = 4;
const MEBIBYTE = 2 ** 20;

const { values, positionals } = parseArgs({ options: { zygote: { type: 'boolean' } }, allowPositionals: true });
const count = Number(positionals[0] ?? 10_000);
if (!Number.isSafeInteger(count) || count < 1) {
  console.error('Usage: node bench/leaks.mjs [COUNT] [--zygote]');
  process.exit(2);
}
const zygote = values.zygote
  ? await createZygote({ runtime: 'python', parked: 2, recycle: { steps: 10 * count + WARM_UP } })
  : undefined;
const startOne = zygote === undefined ? () => spawnSandbox('/bin/true') : () => zygote.spawn({ code: 'pass' });

/**
 * What may grow, and by how much; everything else must be what it was. Cgroups, with their descriptors, are kept for the
 * sandboxes to come: there are as many as there ever were sandboxes at one moment, on a busy machine some dozens. What
 * is lost at each start grows by `COUNT` instead.
 */
const MOST_KEPT = 64;
const ALLOWED = {
  cgroups: MOST_KEPT * 4,
  'descriptors of the spawner': MOST_KEPT * 10,
  'memory of the app': 32 * MEBIBYTE,
  'heap of the app': 2 * MEBIBYTE,
  'memory of the spawner': MEBIBYTE / 2,
  'memory of the zygote': MEBIBYTE,
};

await start(WARM_UP);
const before = await look();
const begun = performance.now();
await start(count);
const seconds = (performance.now() - begun) / 1000;
const after = await look();

const rows = Object.entries(before).map(([what, was]) => {
  const is = after[what];
  return [what, show(what, was), show(what, is), verdict(was, is, ALLOWED[what] ?? 0)];
});
printTable({
  title: `Before and after ${count} starts (${seconds.toFixed(1)} s, ${AT_ONCE} at a time)`,
  note: `Counted when the pool is full again, after ${WARM_UP} starts to warm up.`,
  heads: ['', 'before', 'after', 'flat'],
  rows,
});
await zygote?.destroy();
await closeSpawner();
const left = descendants().length;
console.log(`\n  After closeSpawner() ${left === 0 ? 'no process is' : `${left} processes are`} left.`);
process.exitCode = left === 0 && rows.every(([, , , flat]) => flat !== 'NO') ? 0 : 1;

function verdict(was, is, allowed) {
  if (was === undefined || is === undefined) return '–';
  if (is <= was) return 'yes';
  return is - was <= allowed ? 'within bounds' : 'NO';
}

async function start(total) {
  let started = 0;
  const worker = async () => {
    while (started < total) {
      started++;
      const result = await startOne();
      if (!result.ok) throw new Error(result.detail);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Waits until nothing changes any more, then counts. */
async function look() {
  for (let processes = -1, wait = 0; wait < 50; wait++) {
    const now = descendants().length;
    if (now === processes) break;
    processes = now;
    await sleep(200);
  }
  collectGarbage();
  const spawner = spawnerPid();
  const all = descendants();
  const inits = all.filter(({ depth }) => depth === 3);
  const cgroup = inits.length > 0 ? cgroupNameOf(inits[0].pid) : undefined;
  return {
    'descriptors of the app': descriptorCount(process.pid),
    'descriptors of the spawner': descriptorCount(spawner),
    'processes below the app': all.length,
    cgroups: cgroup === undefined ? undefined : cgroupCount(cgroup),
    'mounts the app sees': mountCount(process.pid),
    'mounts the maker sees': mountCount(all.find(({ depth }) => depth === 2)?.pid),
    'memory of the app': memoryOf(process.pid)?.dirty,
    'heap of the app': process.memoryUsage().heapUsed,
    'memory of the spawner': memoryOf(spawner)?.dirty,
    ...(zygote === undefined ? {} : lookAtZygote(all)),
  };
}

/** The interpreter that has a command line of ours and is the child of an init: its steps are one level further down. */
function lookAtZygote(all) {
  const pid = all.find(
    ({ pid: each, depth }) => depth === 4 && read(`/proc/${each}/cmdline`)?.includes('/.zygote/'),
  )?.pid;
  return { 'descriptors of the zygote': descriptorCount(pid), 'memory of the zygote': memoryOf(pid)?.dirty };
}

function collectGarbage() {
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc');
  for (let pass = 0; pass < 3; pass++) collect();
}

function show(what, value) {
  if (value === undefined) return 'not to be seen';
  return /memory|heap/.test(what) ? `${(value / 1024).toFixed(0)} KiB` : String(value);
}
