// An app of its own that runs steps of all kinds, and counts what there is before and after: `node soak.js STATE-DIRECTORY STEPS`, and the counts as JSON.
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  closeSpawner,
  configureSpawner,
  createSandbox,
  createZygote,
  spawnSandbox,
  type StepResult,
} from 'spawn-sandbox';
import { countCgroups, recordedCgroups } from '../../helpers/cgroup-records.js';
import { countDescriptors, descendantsOf, spawnersOf } from '../../helpers/marked-processes.js';
import { readProc } from '../../helpers/zygote-processes.js';
import { ANY_FORM } from '../../helpers/weaker.js';
import type { SoakAnswer, SoakCounts } from './soak-counts.js';

const [stateDirectory = '', steps = '1000'] = process.argv.slice(2);
const STEPS = Number(steps);
const AT_ONCE = 4;
const WARM_UP = 600;

configureSpawner({ stateDirectory });
const zygote = await createZygote({ ...ANY_FORM, runtime: 'python', parked: 2, recycle: { steps: 2_000_000_000 } });
const sandbox = await createSandbox({ ...ANY_FORM, limits: { wallTime: Infinity } });
const kinds: Record<string, number> = {};

/** What a number of steps consists of, and how each of them has to end. */
async function runOne(number: number): Promise<void> {
  if (number % 500 === 0)
    return expect('wallTimeout', spawnSandbox('sleep', ['1000'], { ...ANY_FORM, limits: { wallTime: 20 } }));
  if (number % 500 === 250)
    return expect('outputLimit', spawnSandbox('yes', [], { ...ANY_FORM, limits: { output: 1000 } }));
  if (number % 100 === 50) return expect('killed', killed());
  if (number % 10 === 1) return expect('exit', zygote.spawn({ code: 'pass' }), 'warm');
  if (number % 10 === 2) return expect('exit', sandbox.spawn('true', []), 'in a sandbox');
  if (number % 50 === 3)
    return expect('exit', spawnSandbox('cat', [], { ...ANY_FORM, input: 'x'.repeat(100_000) }), 'input');
  return expect('exit', spawnSandbox('true', [], ANY_FORM));
}

async function killed(): Promise<StepResult> {
  const step = spawnSandbox('sleep', ['1000'], ANY_FORM);
  await pause(2);
  step.kill();
  return await step;
}

async function expect(cause: string, step: PromiseLike<StepResult>, kind = cause): Promise<void> {
  const result = await step;
  if (result.cause !== cause || (cause === 'exit' && !result.ok))
    throw new Error(`${kind}: ${result.cause}: ${result.detail}`);
  kinds[kind] = (kinds[kind] ?? 0) + 1;
}

async function run(total: number): Promise<void> {
  let started = 0;
  const work = async (): Promise<void> => {
    while (started < total) await runOne(++started);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Waits until nothing changes any more, then counts. */
async function count(): Promise<SoakCounts> {
  for (let before = -1, same = 0; same < 5;) {
    await pause(200);
    const now = descendantsOf(process.pid).length;
    same = now === before ? same + 1 : 0;
    before = now;
  }
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc') as () => void;
  for (let pass = 0; pass < 3; pass++) collect();
  const [spawner = 0] = spawnersOf(process.pid);
  return {
    'descriptors of the app': countDescriptors(process.pid),
    'descriptors of the spawner': countDescriptors(spawner),
    'processes below the app': descendantsOf(process.pid).length,
    'zombies below the app': descendantsOf(process.pid).filter(({ pid }) => /^State:\tZ/m.test(readProc(pid, 'status')))
      .length,
    cgroups: countCgroups(recordedCgroups(stateDirectory)),
    'mounts of the app': readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').length,
    'KiB of the app': residentKiB(process.pid),
    'KiB of its heap': Math.round(process.memoryUsage().heapUsed / 1024),
    'KiB of the spawner': residentKiB(spawner),
  };
}

function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readProc(pid, 'status'))?.[1] ?? 0);
}

await run(WARM_UP);
const before = await count();
for (const kind of Object.keys(kinds)) kinds[kind] = 0;
const since = performance.now();
await run(STEPS);
const seconds = (performance.now() - since) / 1000;
const after = await count();
await sandbox.destroy();
await zygote.destroy();
await closeSpawner();
const answer: SoakAnswer = { before, after, kinds, seconds, left: descendantsOf(process.pid).length };
console.log(JSON.stringify(answer));
