import { availableParallelism } from 'node:os';
import { ms, perSecond } from '../format.mjs';
import { SHARES, watchProcessors } from '../observe/processors.mjs';
import { sum } from '../statistics.mjs';

const CONCURRENCY = 8;

/** Whole steps, as fast as they come: how many, and whose processor time they took. */
export async function throughputOf({ code }, zygote, seconds) {
  const processors = watchProcessors();
  const begun = performance.now();
  let done = 0;
  const worker = async () => {
    while (performance.now() < begun + seconds * 1000) {
      const { ok, detail } = await zygote.spawn({ code });
      if (!ok) throw new Error(detail);
      done++;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  const { elapsed, spent, ours, others } = processors();
  return {
    perSecond: (done / elapsed) * 1000,
    perStep: SHARES.map((share) => spent[share] / done),
    ours,
    others,
  };
}

export function throughputRow(label, { perSecond: rate, perStep, ours, others }) {
  const numbers = [sum(perStep), ...perStep].map(ms);
  return [label, perSecond(rate), ...numbers, ours.toFixed(2), others.toFixed(2)];
}

export function throughputTable(rows) {
  return {
    title: 'Warm interpreters, sustained',
    note: `Whole steps, to the known end, ${CONCURRENCY} at a time, refills included; the milliseconds of processor time that each took, and whose: "steps" with the inits of their sandboxes, "zygote" with the forks that it makes, "kernel" its own threads, which take namespaces and cgroups apart. Then how many of the ${availableParallelism()} processors that kept busy, and how many anything else did. Where nearly all are, processor time is what bounds the rate.`,
    heads: ['', 'per second', 'CPU ms per step', ...SHARES, 'processors busy', 'by others'],
    rows,
  };
}
