import { setTimeout as sleep } from 'node:timers/promises';
import { median, percentile, seeded, shuffled } from '../statistics.mjs';
import { ms, ratio, times } from '../format.mjs';

/** Between two contenders, so that none pays for what another left to do. What is done meanwhile counts in `throughput`. */
const PAUSE_MS = 5;

/** From the call to the known end of /bin/true, now and then: single starts, and bursts of eight. */
export async function latency({ contenders, quick }) {
  const rounds = { 1: quick ? 60 : 2000, 8: quick ? 20 : 500 };
  const taken = {};
  for (const concurrency of [1, 8])
    taken[concurrency] = await interleaved(contenders, concurrency, rounds[concurrency]);
  return { tables: [table(contenders, taken, rounds)], goals: goals(taken) };
}

async function interleaved(contenders, concurrency, rounds) {
  const taken = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  const random = seeded(concurrency);
  for (let round = 0; round < rounds; round++) {
    for (const contender of shuffled(contenders, random)) {
      await sleep(PAUSE_MS);
      const { latencies } = await contender.starts({ count: concurrency, concurrency });
      taken[contender.name].push(...latencies);
    }
  }
  return taken;
}

function table(contenders, taken, rounds) {
  return {
    title: 'Start to exit of /bin/true',
    note: `Milliseconds from the call until the app knows how it ended and has its output. Contenders in random order in each of ${rounds[1]} rounds (${rounds[8]} for bursts of 8), ${PAUSE_MS} ms apart.`,
    heads: ['', 'p50', 'p99', 'to spawn-sandbox', 'burst of 8: p50', 'p99', 'to spawn-sandbox'],
    rows: contenders.map(({ name, label }) => [
      label,
      ...[1, 8].flatMap((concurrency) => {
        const mine = taken[concurrency][name];
        const ours = median(taken[concurrency].sandbox);
        return [ms(median(mine)), ms(percentile(mine, 0.99)), times(median(mine) / ours)];
      }),
    ]),
  };
}

function goals(taken) {
  const goal = (concurrency, name, label, target, stretch) => ({
    what: `start to exit of /bin/true${concurrency === 1 ? '' : ', burst of 8'}, p50, to ${label}`,
    value: ratio(median(taken[concurrency].sandbox) / median(taken[concurrency][name] ?? [])),
    measured: median(taken[concurrency].sandbox) / median(taken[concurrency][name] ?? []),
    atMost: target,
    stretch,
  });
  return [1, 8].flatMap((concurrency) => [
    goal(concurrency, 'child', 'child_process.spawn', 0.6, 0.4),
    goal(concurrency, 'bwrap', 'bwrap', 0.15, 0.1),
  ]);
}
