import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { ms, times } from '../format.mjs';
import { median, percentile } from '../statistics.mjs';

export const PAUSE_MS = 50;

/** Milliseconds until the app has the first byte of a step, told once the step has ended; `Infinity` when there was none. */
export function firstByteOfStep(zygote, code, options) {
  return firstByteOf(() => zygote.spawn({ code }, options));
}

export async function firstByteOf(start) {
  const begun = performance.now();
  const step = start();
  let taken = Infinity;
  step.stdout.once('data', () => (taken = performance.now() - begun));
  const { stdout } = await step.result;
  return { taken, output: stdout };
}

async function firstByteOfProcess([file, ...args], code) {
  const begun = performance.now();
  const child = spawn(file, [...args, code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const first = await new Promise((resolve) => child.stdout.once('data', resolve));
  const taken = performance.now() - begun;
  await new Promise((resolve) => child.once('close', resolve));
  return { taken, output: String(first) };
}

/** All ways to run the same job, in turns. `peers` are other people's: each has a `name` and `firstByte(code)`. */
export async function firstBytes({ cold, code, expected }, demand, parked, peers, rounds) {
  const contenders = [
    { name: 'cold', firstByte: () => firstByteOfProcess(cold, code) },
    { name: 'demand', firstByte: () => firstByteOfStep(demand, code) },
    { name: 'parked', firstByte: () => firstByteOfStep(parked, code) },
    ...peers,
  ];
  const all = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, firstByte } of contenders) {
      await sleep(PAUSE_MS);
      const { taken, output } = await firstByte(code);
      if (output !== expected) throw new Error(`${name} printed ${output}`);
      all[name].push(taken);
    }
  }
  return all;
}

const LABELS = { cold: 'cold, by child_process', demand: 'forked on demand' };

export function latencyRows(runtime, taken) {
  return Object.entries(taken).map(([name, values]) => [
    `${runtime.name}, ${LABELS[name] ?? name}`,
    ms(median(values)),
    ms(percentile(values, 0.99)),
    times(median(taken.cold) / median(values)),
  ]);
}

export function latencyTable(rows, peerNotes, quick) {
  return {
    title: 'Warm interpreters',
    note: [
      `Milliseconds from the request to the first byte that the code itself printed. All of one language in turns, ${PAUSE_MS} ms apart${quick ? ', a few rounds' : ''}; cold is unsandboxed.`,
      ...peerNotes,
    ].join(' '),
    heads: ['', 'p50', 'p99', 'faster than cold'],
    rows,
  };
}
