// A whole typed call, against a step of the same zygote that does nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import { createZygote, defineStep } from 'spawn-sandbox';
import { ms } from '../format.mjs';
import { median, percentile } from '../statistics.mjs';

const PAUSE_MS = 30;
const WARM_UP = 3;

export async function callsOf(runtime, rounds) {
  const zygotes = {
    'on demand': await createZygote(runtime.options),
    '4 parked': await createZygote({ ...runtime.options, parked: 4 }),
  };
  const kinds = Object.entries(zygotes).flatMap(([how, zygote]) => {
    const step = defineStep({ zygote, code: runtime.echo, function: 'run' });
    return [
      { how, what: 'typed', run: async () => (await step({ rows: 3, text: 'abc' })).result },
      { how, what: 'empty', run: () => zygote.spawn({ code: runtime.nothing }).result },
    ];
  });
  const steps = kinds.map(() => []);
  try {
    for (let round = -WARM_UP; round < rounds; round++) {
      for (const [index, { run }] of kinds.entries()) {
        await sleep(PAUSE_MS);
        const begun = performance.now();
        const { usage } = await run();
        const taken = performance.now() - begun;
        if (round >= 0) steps[index].push({ taken, cpu: usage.userCpuMs + usage.systemCpuMs });
      }
    }
  } finally {
    await Promise.all(Object.values(zygotes).map((zygote) => zygote.destroy()));
  }
  const of = (how, what) => steps[kinds.findIndex((kind) => kind.how === how && kind.what === what)];
  return Object.keys(zygotes).map((how) => ({
    label: `${runtime.name}, ${how}`,
    typed: of(how, 'typed'),
    empty: of(how, 'empty'),
  }));
}

const takenBy = (steps) => steps.map(({ taken }) => taken);
const cpuOf = (steps) => median(steps.map(({ cpu }) => cpu));
const added = ({ typed, empty }) => median(takenBy(typed)) - median(takenBy(empty));

export function callTable(measured) {
  return {
    title: 'A typed call',
    note: `Milliseconds from the call to its result, p50, and p99, of a function that returns its parameters, and of an empty job of the same zygote; in turns, ${PAUSE_MS} ms apart. "Processor" is what the step itself spent.`,
    heads: ['', 'typed', 'p99', 'empty job', 'p99', 'typing adds', 'typed: processor', 'empty: processor'],
    rows: measured.map(({ label, typed, empty }) => [
      label,
      ...[typed, empty].map(takenBy).flatMap((taken) => [ms(median(taken)), ms(percentile(taken, 0.99))]),
      ms(added({ typed, empty })),
      ms(cpuOf(typed)),
      ms(cpuOf(empty)),
    ]),
  };
}

export function callGoals(measured) {
  return measured.map(({ label, ...both }) => ({
    what: `${label}, what typing adds to an empty job, p50`,
    value: `${ms(added(both))} ms`,
    measured: added(both),
    atMost: 1,
  }));
}
