import { createZygote } from 'spawn-sandbox';
import { kibibytes, times } from '../format.mjs';
import { openPyspawner } from '../peers/pyspawner.mjs';
import { median } from '../statistics.mjs';
import { costTable, costsOf } from './zygote-costs.mjs';
import { firstBytes, latencyRows, latencyTable } from './zygote-latency.mjs';
import { memoryOfParked } from './zygote-memory.mjs';
import { sweepOf, sweepRates, sweepTable } from './zygote-rates.mjs';
import { RUNTIMES, SHARED_WITH_PEERS, TAKEN_APART } from './zygote-runtimes.mjs';
import { throughputOf, throughputRow, throughputTable } from './zygote-throughput.mjs';

/** What an interpreter does by its clock, a young one has not done yet, and its steps cost less than they will. */
const AGE_MS = 10_000;

/**
 * From the request to the first byte that the step's own code printed, alone and under load; whole steps per second; the memory of
 * one that waits; where the time of a step goes.
 */
export async function zygotes({ quick }) {
  const peer = await openPyspawner(SHARED_WITH_PEERS);
  const sweep = sweepOf(quick);
  const measured = [];
  try {
    for (const runtime of RUNTIMES) {
      const peers = runtime === SHARED_WITH_PEERS && peer.firstByte ? [peer] : [];
      measured.push(await measure(runtime, peers, sweep, quick));
    }
  } finally {
    peer.close();
  }
  const costs = await costsOf(TAKEN_APART, quick ? 8 : 30, quick ? 0 : AGE_MS);
  return {
    tables: [
      latencyTable(
        measured.flatMap(({ runtime, taken }) => latencyRows(runtime, taken)),
        [peer.note],
        quick,
      ),
      sweepTable(
        measured.map(({ swept }) => swept),
        sweep,
      ),
      throughputTable(measured.flatMap(sustainedRows)),
      memoryTable(measured),
      costTable(costs),
    ],
    goals: measured.flatMap(goalsOf),
  };
}

async function measure(runtime, peers, sweep, quick) {
  const demand = await createZygote(runtime.options);
  const parked = await createZygote({ ...runtime.options, parked: 4 });
  const seconds = quick ? 1 : 10;
  try {
    return {
      runtime,
      taken: await firstBytes(runtime, demand, parked, peers, quick ? 8 : 60),
      own: await memoryOfParked(),
      swept: await sweepRates(runtime, parked, sweep),
      sustained: {
        'on demand': await throughputOf(runtime, demand, seconds),
        'with 4 parked': await throughputOf(runtime, parked, seconds),
      },
    };
  } finally {
    await Promise.all([demand.destroy(), parked.destroy()]);
  }
}

function sustainedRows({ runtime, sustained }) {
  return Object.entries(sustained).map(([how, throughput]) => throughputRow(`${runtime.name}, ${how}`, throughput));
}

function memoryTable(measured) {
  return {
    title: 'A warm step that waits',
    note: 'Memory that ending it would free (Private).',
    heads: ['', 'own'],
    rows: measured.map(({ runtime, own }) => [runtime.name, kibibytes(own)]),
  };
}

function goalsOf({ runtime: { name, goals }, taken, own }) {
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
