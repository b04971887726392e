import { spawnSandbox } from 'spawn-sandbox';
import { spawned } from '../contenders/spawned.mjs';
import { nanos, percent } from '../format.mjs';
import { median } from '../statistics.mjs';

/** What the filters and Landlock add to each system call. */
export async function syscalls({ programs, quick }) {
  const rounds = quick ? 3 : 21;
  const taken = { inside: [], outside: [] };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? ['inside', 'outside'] : ['outside', 'inside'];
    for (const where of order) taken[where].push(parse(await RUN[where](programs.syscalls)));
  }
  const names = Object.keys(taken.inside[0]);
  const of = (where, name) => median(taken[where].map((run) => run[name]));
  const added = (name) => median(taken.inside.map((run, round) => run[name] - taken.outside[round][name]));
  return {
    tables: [
      {
        title: 'System calls',
        note: `Nanoseconds per call (of both or all three, where there are several). Median of ${rounds} rounds, alternating, the best of 5 loops of 5,000 calls in each.`,
        heads: ['', 'outside', 'inside', 'added', 'inside to outside'],
        rows: names.map((name) => [
          name,
          nanos(of('outside', name)),
          nanos(of('inside', name)),
          nanos(added(name)),
          percent(of('inside', name) / of('outside', name)),
        ]),
      },
    ],
    goals: [],
  };
}

const RUN = {
  async inside(program) {
    const result = await spawnSandbox(program);
    if (!result.ok) throw new Error(`${result.detail} ${result.stderr}`);
    return result.stdout;
  },
  outside: async (program) => Buffer.concat(await spawned(program, [])).toString(),
};

function parse(text) {
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
      .map(([name, nanoseconds]) => [name, Number(nanoseconds)]),
  );
}
