// What a table of 1 GiB takes in steps that read it, and in the app.
import { createZygote, defineStep } from 'spawn-sandbox';
import { descendants, read } from '../observe/processes.mjs';

const MEBIBYTE = 2 ** 20;
const CODE = `
import pyarrow.compute as pc
def run(params, tables, step):
    table = tables["input"]
    step.send([pc.sum(table["value"]).as_py(), pc.max(table["key"]).as_py()])
    next(params, None)
`;

/** `large` and `small` are tables that a step has returned. The app and two steps sum a column, and stay. */
export async function sharingOf(runtime, large, small) {
  const zygote = await createZygote(runtime.withTables);
  const step = defineStep({ zygote, code: CODE, function: 'run', limits: { memory: '4GiB' } });
  try {
    const base = await peakOf(step, small);
    sumInApp(large);
    const one = await open(step, large);
    const two = await open(step, large);
    const seen = [...mappingsOf(large.summary.bytes)];
    const results = [await one.close(), await two.close()];
    return {
      bytes: large.summary.bytes,
      mappings: seen.map(([pid, mapping]) => ({ who: pid === process.pid ? 'the app' : 'a step', ...mapping })),
      peaks: results.map(({ usage }) => usage.peakMemoryBytes),
      base,
    };
  } finally {
    await zygote.destroy();
  }
}

async function peakOf(step, table) {
  const opened = await open(step, table);
  return (await opened.close()).usage.peakMemoryBytes;
}

/** A step that has read all of the table, and waits. */
async function open(step, table) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  async function* nothing() {
    await released;
  }
  const call = step(nothing(), { tables: { input: table } });
  const messages = call.messages[Symbol.asyncIterator]();
  await messages.next();
  return {
    close: async () => {
      release();
      await messages.next();
      return (await call).result;
    },
  };
}

function sumInApp(table) {
  let sum = 0;
  for (const batch of table.getChild('value').data) for (const value of batch.values) sum += value;
  for (const batch of table.getChild('key').data) for (const value of batch.values) sum += Number(value & 1n);
  return sum;
}

/** By process: what of its mapping of a file of so many bytes is in memory. This process and those below it. */
function mappingsOf(bytes) {
  const found = new Map();
  for (const pid of [process.pid, ...descendants().map((each) => each.pid)]) {
    const mapping = mappingOf(pid, bytes);
    if (mapping !== undefined) found.set(pid, mapping);
  }
  return found;
}

function mappingOf(pid, bytes) {
  const text = read(`/proc/${pid}/smaps`) ?? '';
  const sections = text.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).filter((section) => section.includes('/memfd:'));
  const field = (section, name) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(section)?.[1] ?? 0) * 1024;
  const section = sections.find((each) => Math.abs(field(each, 'Size') - bytes) < MEBIBYTE);
  if (section === undefined) return undefined;
  return {
    resident: field(section, 'Rss'),
    share: field(section, 'Pss'),
    own: field(section, 'Private_Clean') + field(section, 'Private_Dirty'),
    shared: field(section, 'Shared_Clean') + field(section, 'Shared_Dirty'),
  };
}

const mebibytes = (bytes) => (Number.isFinite(bytes) ? `${(bytes / MEBIBYTE).toFixed(1)} MiB` : '–');

export function sharingTable({ bytes, mappings, peaks, base }) {
  return {
    title: 'Memory of a table that is shared',
    note: `A table of ${mebibytes(bytes)} that a step returned; the app and two other steps map it and read it while the steps wait. From their smaps, for root only: "share" divides pages among those who map them (Pss), "own" is what nobody else has. "Peak": what the kernel accounts to the step, beyond ${mebibytes(base)} of one with a table of 1 MiB.`,
    heads: ['', 'resident', 'share', 'own', 'shared', 'peak, beyond'],
    rows: [
      ...mappings.map(({ who, resident, share, own, shared }, index) => [
        who,
        ...[resident, share, own, shared].map(mebibytes),
        who === 'a step' ? mebibytes(peaks[index % peaks.length] - base) : '',
      ]),
      ...(mappings.length > 0
        ? []
        : [['not seen', ...[NaN, NaN, NaN, NaN].map(mebibytes), mebibytes(peaks[0] - base)]]),
    ],
  };
}

export function sharingGoals({ bytes, mappings, peaks, base }) {
  const share = Math.max(...mappings.map((mapping) => mapping.share)) / bytes;
  const growth = (Math.max(...peaks) - base) / bytes;
  return [
    {
      what: 'largest share (Pss) of a table that the app and two steps read, of its size',
      value: percentOf(mappings.length === 3 ? share : NaN),
      measured: mappings.length === 3 ? share : NaN,
      atMost: 0.35,
    },
    {
      what: 'memory that a step is charged with for reading a table of 1 GiB, of its size',
      value: percentOf(growth),
      measured: growth,
      atMost: 0.02,
    },
  ];
}

const percentOf = (share) => (Number.isFinite(share) ? `${(share * 100).toFixed(1)} %` : '– %');
