import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createZygote } from 'spawn-sandbox';
import { kibibytes, ms, perSecond, times } from '../format.mjs';
import { descendants, memoryOf } from '../observe/processes.mjs';
import { median, percentile } from '../statistics.mjs';

const PYTHON = join(import.meta.dirname, '../../.venv/bin/python');
const PAUSE_MS = 50;
const CONCURRENCY = 8;

/** What is started cold by `child_process`, without a sandbox, and warm by a zygote. */
const RUNTIMES = [
  {
    name: 'Python with pandas',
    available: existsSync(PYTHON),
    options: { runtime: 'python', interpreter: PYTHON, preload: ['pandas'] },
    cold: [PYTHON, '-c'],
    code: 'import os, pandas as pd\nframe = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})\nos.write(1, str(int(frame.a.sum())).encode())',
    expected: '6',
    goals: { demand: 50, parked: 200, own: 4 << 20 },
  },
  {
    name: 'Node',
    available: true,
    options: { runtime: 'node' },
    cold: [process.execPath, '-e'],
    code: "require('fs').writeSync(1, String(6))",
    expected: '6',
    goals: { demand: 15, parked: 50, own: 8 << 20 },
  },
];

/** From the request to the first byte that the step's own code printed; steps per second; the memory of one that waits. */
export async function zygotes({ quick }) {
  const rows = [];
  const rates = [];
  const goals = [];
  for (const runtime of RUNTIMES.filter(({ available }) => available)) {
    const demand = await createZygote(runtime.options);
    const parked = await createZygote({ ...runtime.options, parked: 4 });
    try {
      const taken = await firstBytes(runtime, demand, parked, quick ? 8 : 60);
      const own = await memoryOfParked();
      const sustained = await ratesOf(runtime, demand, parked, quick ? 1 : 10);
      rows.push(...latencyRows(runtime, taken));
      rates.push(...sustained.map(([label, rate]) => [`${runtime.name}, ${label}`, perSecond(rate)]));
      rates.push([`${runtime.name}, private memory of a step that waits`, kibibytes(own)]);
      goals.push(...goalsOf(runtime, taken, own));
    } finally {
      await Promise.all([demand.destroy(), parked.destroy()]);
    }
  }
  return { tables: [latencyTable(rows, quick), rateTable(rates)], goals };
}

async function firstBytes({ cold, code, expected }, demand, parked, rounds) {
  const taken = { cold: [], demand: [], parked: [] };
  const start = {
    cold: () => spawn(cold[0], [...cold.slice(1), code], { stdio: ['ignore', 'pipe', 'inherit'] }),
    demand: () => demand.spawn({ code }),
    parked: () => parked.spawn({ code }),
  };
  for (let round = 0; round < rounds; round++) {
    for (const kind of ['cold', 'demand', 'parked']) {
      await sleep(PAUSE_MS);
      const begun = performance.now();
      const process = start[kind]();
      const first = await new Promise((resolve) => process.stdout.once('data', resolve));
      taken[kind].push(performance.now() - begun);
      if (String(first) !== expected) throw new Error(`${kind} printed ${String(first)}`);
      await (kind === 'cold' ? new Promise((resolve) => process.once('close', resolve)) : process.result);
    }
  }
  return taken;
}

function latencyRows({ name }, taken) {
  const row = (label, values) => [
    `${name}, ${label}`,
    ms(median(values)),
    ms(percentile(values, 0.99)),
    times(median(taken.cold) / median(values)),
  ];
  return [
    row('cold, by child_process', taken.cold),
    row('forked on demand', taken.demand),
    row('parked', taken.parked),
  ];
}

/** The largest of what waits below a zygote: a process two pid namespaces down that has no children. */
async function memoryOfParked() {
  await sleep(1000);
  const all = descendants();
  const parents = new Set(all.map(({ parent }) => parent));
  const waiting = all.filter(({ pid, name, depth }) => depth > 4 && !parents.has(pid) && !name.startsWith('sandbox'));
  return Math.max(...waiting.map(({ pid }) => memoryOf(pid)?.own ?? NaN));
}

async function ratesOf({ code }, demand, parked, seconds) {
  const rates = [];
  for (const [label, zygote] of [
    ['on demand, 8 at a time, per second', demand],
    ['with 4 parked, 8 at a time, per second', parked],
  ]) {
    let done = 0;
    const until = performance.now() + seconds * 1000;
    await Promise.all(
      Array.from({ length: CONCURRENCY }, async () => {
        while (performance.now() < until) {
          const { ok, detail } = await zygote.spawn({ code });
          if (!ok) throw new Error(detail);
          done++;
        }
      }),
    );
    rates.push([label, done / seconds]);
  }
  return rates;
}

function latencyTable(rows, quick) {
  return {
    title: 'Warm interpreters',
    note: `Milliseconds from the request to the first byte that the code itself printed. Cold, on demand and parked in turns, ${PAUSE_MS} ms apart${quick ? ', a few rounds' : ''}; cold is unsandboxed.`,
    heads: ['', 'p50', 'p99', 'faster than cold'],
    rows,
  };
}

function rateTable(rows) {
  return {
    title: 'Warm interpreters, sustained',
    note: 'Whole steps, to the known end, refills included.',
    heads: ['', ''],
    rows,
  };
}

function goalsOf({ name, goals }, taken, own) {
  const faster = (kind) => median(taken.cold) / median(taken[kind]);
  const goal = (what, measured, target) => ({
    what: `${name}, ${what}`,
    value: times(measured),
    measured,
    atLeast: target,
  });
  return [
    goal('first byte on demand, faster than cold', faster('demand'), goals.demand),
    goal('first byte when parked, faster than cold', faster('parked'), goals.parked),
    {
      what: `${name}, private memory of a waiting step, to ${goals.own >> 20} MiB`,
      value: times(own / goals.own),
      measured: own / goals.own,
      atMost: 1,
    },
  ];
}
