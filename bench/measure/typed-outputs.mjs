// From the end of a step to its table: the file is sealed, checked to its last value and mapped.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createZygote, defineStep } from 'spawn-sandbox';
// Not what a user imports: only there is the moment known at which the step has ended.
import { Outputs } from '../../dist/typed/tables/outputs.js';
import { ms, shown } from '../format.mjs';
import { watchMainThread } from '../observe/main-thread.mjs';
import { median } from '../statistics.mjs';

const GIB = 2 ** 30;
const ROWS = 2 ** 31 - 1;
const CODE = `
import numpy as np
import pyarrow as pa

def words(count):
    text = "sixteen letters.".encode()
    offsets = pa.py_buffer(np.arange(0, (count + 1) * len(text), len(text), dtype=np.int32))
    return pa.Array.from_buffers(pa.string(), count, [None, offsets, pa.py_buffer(text * count)])

def numbers(size):
    ids = np.arange(size // 16)
    return {"key": pa.array(ids), "value": pa.array(ids * 0.5)}

def strings(size):
    return {"text": words(size // 20)}

def nested(size):
    count = size // 24
    ids = np.arange(count)
    kinds = pa.DictionaryArray.from_arrays(pa.array((ids % 1000).astype(np.int32)), pa.array([str(i) for i in range(1000)]))
    offsets = pa.array(np.arange(0, 2 * (count + 1), 2, dtype=np.int32))
    return {"kind": kinds, "list": pa.ListArray.from_arrays(offsets, pa.array(np.arange(2 * count)))}

def run(params, tables, step):
    table = pa.table(globals()[params["kind"]](int(params["bytes"])))
    step.write_table("table", table)
`;
const KINDS = { numbers: 'float64 and int64', strings: 'strings', nested: 'dictionary and lists' };
/** Bytes, and in how many rounds. */
const sizesOf = (quick) => [
  { bytes: 100e6, shown: '100 MB', rounds: quick ? 2 : 5 },
  { bytes: 1e9, shown: '1 GB', rounds: quick ? 1 : 3 },
];

export async function outputsOf(runtime, quick) {
  const zygote = await createZygote(runtime.withTables);
  const step = defineStep({
    zygote,
    code: CODE,
    function: 'run',
    outputs: { table: { maxBytes: '2GiB', maxRows: ROWS } },
    limits: { memory: 8 * GIB },
  });
  const measured = [];
  try {
    await taking(step, 'numbers', 1e5);
    for (const size of sizesOf(quick)) {
      const taken = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, []]));
      for (let round = 0; round < size.rounds; round++) {
        for (const kind of Object.keys(KINDS)) taken[kind].push(await taking(step, kind, size.bytes));
      }
      for (const kind of Object.keys(KINDS))
        measured.push({ label: `${KINDS[kind]}, ${size.shown}`, size, taken: taken[kind] });
    }
  } finally {
    await zygote.destroy();
  }
  return measured;
}

/** What passes from the end of the step on. The thread that checks is made anew where the last table was taken more than a second ago. */
async function taking(step, kind, bytes) {
  const { take } = Outputs.prototype;
  const seen = {};
  Outputs.prototype.take = async function (claims) {
    const delays = monitorEventLoopDelay({ resolution: 10 });
    delays.enable();
    const loop = watchMainThread();
    const begun = performance.now();
    const taken = await take.call(this, claims);
    seen.taken = performance.now() - begun;
    const { active, threadCpu } = loop();
    delays.disable();
    return Object.assign(seen, { active, threadCpu, longest: delays.max / 1e6 }) && taken;
  };
  try {
    const { tables } = await step({ kind, bytes });
    seen.bytes = tables.table.summary.bytes ?? bytes;
    tables.table.close();
    return seen;
  } finally {
    Outputs.prototype.take = take;
  }
}

const of = (taken, what) => median(taken.map((each) => each[what]));

export function outputTable(measured) {
  return {
    title: 'Taking a table from a step that has ended',
    note: 'Milliseconds until the table is there: sealed, checked to its last value in another thread, mapped. Medians of a few rounds, in turns. "Busy": for how long in all the app’s event loop was not waiting meanwhile, and what of that its thread spent on a processor; "longest": the longest delay of a timer, which others on the machine lengthen, too.',
    heads: ['', 'ms', 'GB/s', 'loop busy', 'its CPU', 'longest'],
    rows: measured.map(({ label, size, taken }) => [
      label,
      ms(of(taken, 'taken')),
      shown(size.bytes / of(taken, 'taken') / 1e6, 2),
      ...['active', 'threadCpu', 'longest'].map((what) => ms(of(taken, what))),
    ]),
  };
}

export function outputGoals(measured) {
  const busy = Math.max(...measured.map(({ taken }) => of(taken, 'active')));
  return [
    {
      what: 'event loop busy while a table of up to 1 GB is taken, in all',
      value: `${ms(busy)} ms`,
      measured: busy,
      atMost: 10,
    },
  ];
}
