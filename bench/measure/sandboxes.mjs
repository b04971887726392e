// Commands in a sandbox that lives, against sandboxes of their own and against no sandbox.
import { setTimeout as sleep } from 'node:timers/promises';
import { createSandbox } from 'spawn-sandbox';
import { ms, ratio, times } from '../format.mjs';
import { median, percentile, seeded, shuffled } from '../statistics.mjs';
import { jobs } from './jobs-in-sandboxes.mjs';

const PAUSE_MS = 5;

export async function sandboxes({ contenders, quick }) {
  const rounds = quick ? 60 : 1000;
  const sandbox = await createSandbox();
  const living = { name: 'living', label: 'a command in a sandbox that lives', starts: () => start(sandbox) };
  const all = [living, ...contenders.filter(({ name }) => name !== 'floor')];
  try {
    for (let index = 0; index < 20; index++) await living.starts();
    const taken = await interleaved(all, rounds);
    const made = await makings(quick ? 10 : 100);
    return { tables: [table(all, taken, made, rounds), await jobs(quick)], goals: goals(taken) };
  } finally {
    await sandbox.destroy();
  }
}

async function start(sandbox) {
  const begun = performance.now();
  const { ok, detail } = await sandbox.spawn('/bin/true');
  if (!ok) throw new Error(detail);
  return { latencies: [performance.now() - begun] };
}

async function interleaved(contenders, rounds) {
  const taken = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  const random = seeded(1);
  for (let round = 0; round < rounds; round++) {
    for (const contender of shuffled(contenders, random)) {
      await sleep(PAUSE_MS);
      const { latencies } = await contender.starts({ count: 1, concurrency: 1 });
      taken[contender.name].push(...latencies);
    }
  }
  return taken;
}

/** Until a first command can be run, and until nothing is left. */
async function makings(rounds) {
  const made = [];
  const destroyed = [];
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now();
    const sandbox = await createSandbox();
    made.push(performance.now() - begun);
    const ending = performance.now();
    await sandbox.destroy();
    destroyed.push(performance.now() - ending);
  }
  return { made, destroyed };
}

function table(contenders, taken, { made, destroyed }, rounds) {
  const row = (label, values, others = '') => [label, ms(median(values)), ms(percentile(values, 0.99)), others];
  return {
    title: 'Commands in a sandbox that lives',
    note: `Milliseconds from the call until the app knows how /bin/true ended, in random order in each of ${rounds} rounds, ${PAUSE_MS} ms apart; below them what making and destroying a sandbox takes.`,
    heads: ['', 'p50', 'p99', 'to the first'],
    rows: [
      ...contenders.map(({ name, label }) =>
        row(label, taken[name], times(median(taken[name]) / median(taken.living))),
      ),
      row('createSandbox()', made),
      row('sandbox.destroy()', destroyed),
    ],
  };
}

function goals(taken) {
  const measured = median(taken.living) / median(taken.child);
  return [
    {
      what: 'a command in a sandbox that lives, p50, to child_process.spawn',
      value: ratio(measured),
      measured,
      atMost: 0.5,
    },
  ];
}
