// What it costs to hand a table to a step, by its size.
import { setTimeout as sleep } from 'node:timers/promises';
import { createZygote, defineStep } from 'spawn-sandbox';
import { ms } from '../format.mjs';
import { median } from '../statistics.mjs';

const PAUSE_MS = 20;

/** `sources`: by name, what a call is given as its table, or undefined. The first of them is what the others are compared with. */
export async function inputsOf(runtime, sources, rounds) {
  const zygote = await createZygote(runtime.withTables);
  const kinds = [
    { what: 'handed over', step: defineStep({ zygote, code: runtime.ignoreTables, function: 'run' }) },
    { what: 'and opened', step: defineStep({ zygote, code: runtime.openTables, function: 'run' }) },
  ];
  const taken = kinds.map(() => Object.fromEntries(Object.keys(sources).map((name) => [name, []])));
  try {
    for (let round = -1; round < rounds; round++) {
      for (const [index, { step }] of kinds.entries()) {
        for (const [name, source] of Object.entries(sources)) {
          await sleep(PAUSE_MS);
          const begun = performance.now();
          await step(null, source === undefined ? {} : { tables: { input: source } });
          if (round >= 0) taken[index][name].push(performance.now() - begun);
        }
      }
    }
  } finally {
    await zygote.destroy();
  }
  return kinds.map(({ what }, index) => ({ label: `${runtime.name}, ${what}`, taken: taken[index] }));
}

const added = (taken, name) => median(taken[name]) - median(Object.values(taken)[0]);

export function inputTable(measured) {
  const names = Object.keys(measured[0].taken);
  return {
    title: 'Handing a table to a step',
    note: 'Milliseconds of a whole call on demand, p50, in turns, and how much more than without a table. The file is in the page cache. "Opened": the step maps it and reads its schema and how many rows it has.',
    heads: ['', ...names.flatMap((name, index) => (index === 0 ? [name] : [name, 'more']))],
    rows: measured.map(({ label, taken }) => [
      label,
      ...names.flatMap((name, index) => [ms(median(taken[name])), ...(index === 0 ? [] : [ms(added(taken, name))])]),
    ]),
  };
}

/** Of the large ones. */
export function inputGoals(measured, names) {
  return measured
    .filter(({ label }) => label.endsWith('handed over'))
    .flatMap(({ label, taken }) =>
      names.map((name) => ({
        what: `${label}: ${name}, more than without a table`,
        value: `${ms(added(taken, name))} ms`,
        measured: added(taken, name),
        atMost: 5,
      })),
    );
}
