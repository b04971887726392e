import { setTimeout as sleep } from 'node:timers/promises';
import { ms } from '../format.mjs';
import { watchProcessors } from '../observe/processors.mjs';
import { median, percentile } from '../statistics.mjs';
import { firstByteOfStep, PAUSE_MS } from './zygote-latency.mjs';

/** A rate holds while the median first byte stays below this many times the calm one. */
const HOLDS_BELOW = 1.5;
const CALM_STEPS = 20;
/** So that a rate does not begin with what the one before has left to be done. */
const SETTLE_MS = 500;

export const sweepOf = (quick) =>
  quick ? { rates: [10, 40, 80], seconds: 1 } : { rates: [5, 10, 20, 40, 60, 80], seconds: 2 };

/** First bytes of parked steps, each started when the last has ended, and then at each of the rates. */
export async function sweepRates({ name, code }, parked, { rates, seconds }) {
  const firstByte = async () => (await firstByteOfStep(parked, code)).taken;
  const calm = [];
  const calmProcessors = watchProcessors();
  for (let step = 0; step < CALM_STEPS; step++) {
    await sleep(PAUSE_MS);
    calm.push(await firstByte());
  }
  const calmOthers = calmProcessors().others;
  const points = [];
  for (const rate of rates) {
    await sleep(SETTLE_MS);
    const processors = watchProcessors();
    const taken = await openLoop(firstByte, rate, seconds);
    points.push({ rate, taken, others: processors().others });
  }
  return { name, calm, calmOthers, points };
}

/** At fixed intervals, whatever has become of those before. */
async function openLoop(start, rate, seconds) {
  const begun = performance.now();
  const started = [];
  for (let index = 0; index < rate * seconds; index++) {
    const due = begun + (index * 1000) / rate;
    await sleep(Math.max(0, due - performance.now()));
    started.push(start());
  }
  return Promise.all(started);
}

/** The last rate before the first one that does not hold. */
function heldUpTo({ calm, points }) {
  const limit = HOLDS_BELOW * median(calm);
  const broken = points.findIndex(({ taken }) => median(taken) >= limit);
  if (broken === 0) return `less than ${points[0].rate}/s`;
  return broken < 0 ? `${points.at(-1).rate}/s or more` : `${points[broken - 1].rate}/s`;
}

export function sweepTable(sweeps, { rates, seconds }) {
  const row = (label, { calm, points }, figure, last) => [
    label,
    ms(figure(calm)),
    ...points.map(({ taken }) => ms(figure(taken))),
    last,
  ];
  return {
    title: 'Parked steps, started at fixed intervals',
    note: `Milliseconds from the call to the first byte, with 4 parked. Calm: one after the other, ${PAUSE_MS} ms apart. Then ${seconds} s per rate, each step started when it is due, whatever has become of those before. A rate holds where its median is below ${HOLDS_BELOW} times the calm one, and so are those of the rates before it.`,
    heads: ['', 'calm', ...rates.map((rate) => `${rate}/s`), 'holds up to'],
    rows: sweeps.flatMap((sweep) => [
      row(`${sweep.name}, p50`, sweep, median, heldUpTo(sweep)),
      row(`${sweep.name}, p99`, sweep, (values) => percentile(values, 0.99), ''),
      [
        `${sweep.name}, processors that others kept busy`,
        ...[sweep.calmOthers, ...sweep.points.map(({ others }) => others)].map(ms),
        '',
      ],
    ]),
  };
}
