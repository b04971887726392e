import { setTimeout as sleep } from 'node:timers/promises';
import { closeSpawner, configureSpawner, spawnSandbox } from 'spawn-sandbox';
import { kibibytes } from '../format.mjs';
import { cgroupBytes } from '../observe/cgroups.mjs';
import { availableBytes } from '../observe/machine.mjs';
import { descendants, memoryOf } from '../observe/processes.mjs';
import { median, sum } from '../statistics.mjs';

const [SPAWNER, MAKER, INIT, INSIDE] = [1, 2, 3, 4];

/** What waits and what runs, in bytes of memory. */
export async function memory({ quick }) {
  const count = quick ? 24 : 128;
  const before = await availableWith(1);
  const many = await availableWith(count);
  const idle = look();
  const running = await lookAtRunning(count);
  const after = await availableWith(1);
  await closeSpawner();
  configureSpawner({});
  const wholeMachine = ((before + after) / 2 - many) / (count - 1);
  return { tables: [table(idle, running, wholeMachine, count)], goals: [] };
}

/** The machine's available memory when a new spawner keeps this many sandboxes. */
async function availableWith(count) {
  await closeSpawner();
  configureSpawner({ pool: count });
  await spawnSandbox('/bin/true');
  for (let wait = 0; wait < 200; wait++) {
    if (descendants().filter(({ depth }) => depth === INSIDE).length >= count) break;
    await sleep(25);
  }
  await sleep(1000);
  return availableBytes();
}

async function lookAtRunning(count) {
  const steps = Array.from({ length: count }, () => spawnSandbox('sleep', ['60']));
  for (let wait = 0; wait < 200 && sleepers().length < count; wait++) await sleep(25);
  const seen = look();
  for (const step of steps) step.kill();
  await Promise.all(steps);
  return seen;
}

function sleepers() {
  return descendants().filter(({ name }) => name === 'sleep');
}

/** Medians of each kind of process, by what they are. */
function look() {
  const all = descendants().map((each) => ({ ...each, memory: memoryOf(each.pid) }));
  const of = (chosen) => ({
    count: chosen.length,
    share: median(chosen.map((each) => each.memory?.share ?? NaN)),
    own: median(chosen.map((each) => each.memory?.own ?? NaN)),
    total: sum(chosen.map((each) => each.memory?.share ?? NaN)),
    cgroup: median(chosen.map((each) => cgroupBytes(each.pid) ?? NaN)),
  });
  return {
    spawner: of(all.filter(({ depth, name }) => depth === SPAWNER && name === 'sandbox-spawner')),
    maker: of(all.filter(({ depth }) => depth === MAKER)),
    init: of(all.filter(({ depth }) => depth === INIT)),
    parked: of(all.filter(({ depth, name }) => depth === INSIDE && name !== 'sleep')),
    program: of(all.filter(({ name }) => name === 'sleep')),
  };
}

function table(idle, running, wholeMachine, count) {
  const row = (what, { share, own, cgroup }) => [what, kibibytes(share), kibibytes(own), kibibytes(cgroup)];
  return {
    title: 'Memory',
    note: `Medians with ${count} sandboxes waiting, then ${count} running. "Share" divides pages that several processes have among them (Pss); "own" is what ending the process would free (Private). A sandbox that waits also costs the kernel memory: the machine had ${kibibytes(wholeMachine)} less available for each of them, everything included.`,
    heads: ['', 'share', 'own', 'its cgroup, kernel memory included'],
    rows: [
      row('spawner, one per app', idle.spawner),
      row('maker, one per policy', idle.maker),
      row('waiting sandbox: init', idle.init),
      row('waiting sandbox: parked step', idle.parked),
      row('running sandbox: init', running.init),
      row('running sandbox: the program itself (sleep)', running.program),
    ],
  };
}
