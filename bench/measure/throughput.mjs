import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { micros, ms, percent, perSecond, ratio, times } from '../format.mjs';
import { machineCpuMs } from '../observe/machine.mjs';
import { watchMainThread } from '../observe/main-thread.mjs';
import { median, percentile, seeded, shuffled, sum } from '../statistics.mjs';

/** After a slice, for whatever a contender has put off; what it does then is counted as its own. */
const SETTLE_MS = 150;

/** As many starts as possible for a long time, in alternating slices, and what they cost the app and the machine. */
export async function throughput({ contenders, quick }) {
  const slices = quick ? 1 : 15;
  const millis = quick ? 500 : 2000;
  const runs = {};
  for (const concurrency of [1, 8]) runs[concurrency] = await alternate(contenders, concurrency, slices, millis);
  const seconds = (slices * millis) / 1000;
  return {
    tables: [1, 8].map((concurrency) => table(contenders, runs[concurrency], concurrency, seconds)),
    goals: [...rateGoals(runs[8]), ...[1, 8].flatMap((concurrency) => mainThreadGoals(runs[concurrency], concurrency))],
  };
}

async function alternate(contenders, concurrency, slices, millis) {
  const slicesOf = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  const busy = [];
  const random = seeded(concurrency + 100);
  for (let round = 0; round < slices; round++) {
    const background = await backgroundRate();
    busy.push(background / availableParallelism());
    for (const contender of shuffled(contenders, random)) {
      slicesOf[contender.name].push(await slice(contender, concurrency, millis, background));
    }
  }
  const summaries = Object.fromEntries(Object.entries(slicesOf).map(([name, all]) => [name, summary(all)]));
  return { slicesOf, busy: median(busy), ...summaries };
}

async function slice(contender, concurrency, millis, background) {
  const machine = machineCpuMs();
  const mainThread = watchMainThread();
  const begun = performance.now();
  const { latencies, elapsed } = await contender.starts({ millis, concurrency });
  await sleep(SETTLE_MS);
  const whole = performance.now() - begun;
  const count = latencies.length;
  return { latencies, count, elapsed, ...mainThread(), machine: machineCpuMs() - machine - background * whole };
}

/** What others keep the processors busy with, per millisecond: a machine is rarely idle. */
async function backgroundRate() {
  const before = machineCpuMs();
  const begun = performance.now();
  await sleep(300);
  return (machineCpuMs() - before) / (performance.now() - begun);
}

function summary(slices) {
  const latencies = slices.flatMap((each) => each.latencies);
  const total = (name) => sum(slices.map((each) => each[name]));
  const perStart = (name) => (total(name) * 1000) / latencies.length;
  return {
    rate: (latencies.length * 1000) / total('elapsed'),
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    active: perStart('active'),
    threadCpu: perStart('threadCpu'),
    processCpu: perStart('processCpu'),
    machine: perStart('machine'),
  };
}

function table(contenders, runs, concurrency, seconds) {
  return {
    title: `Sustained starts, ${concurrency} at a time`,
    note: `${seconds} s per contender in alternating slices. "Main thread" is the time in which the app's event loop was not waiting, and what of it was spent on a processor; "app" is the processor time of its whole process, "machine" of everything, less what ran before. ${SETTLE_MS} ms after each slice are counted in. Others kept ${percent(runs.busy)} of the machine busy meanwhile.`,
    heads: [
      '',
      'starts/s',
      'to it',
      'p50 ms',
      'p99 ms',
      'main thread µs',
      'its CPU µs',
      'app CPU µs',
      'machine CPU µs',
    ],
    rows: contenders.map(({ name, label, inThisProcess }) => {
      const { rate, p50, p99, active, threadCpu, processCpu, machine } = runs[name];
      const own = (value) => (inThisProcess ? micros(value) : '');
      return [
        label,
        perSecond(rate),
        times(rate / runs.sandbox.rate),
        ms(p50),
        ms(p99),
        own(active),
        own(threadCpu),
        own(processCpu),
        micros(machine),
      ];
    }),
  };
}

/** Of each round, then their median: one slice that something else disturbed decides nothing. */
function paired({ slicesOf: { sandbox, child } }, measure) {
  return median(sandbox.map((slice, round) => measure(slice) / measure(child[round])));
}

function rateGoals(runs) {
  const measured = paired(runs, ({ count, elapsed }) => count / elapsed);
  const what = 'sustained starts, 8 at a time, to child_process.spawn';
  return [{ what, value: ratio(measured), measured, atLeast: 2, stretch: 2.5 }];
}

function mainThreadGoals(runs, concurrency) {
  const goal = (what, measured) => ({
    what: `${what} per start, ${concurrency} at a time, to child_process.spawn`,
    value: ratio(measured),
    measured,
    atMost: 0.4,
    stretch: 0.2,
  });
  return [
    goal(
      'main-thread time',
      paired(runs, ({ active, count }) => active / count),
    ),
    goal(
      'processor time of the main thread',
      paired(runs, ({ threadCpu, count }) => threadCpu / count),
    ),
  ];
}
