// A step that filters the rows of a table, by JSON, CSV and Arrow: each in an app of its own, whose memory is its own, too.
import { execFile, execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ms } from '../format.mjs';
import { median } from '../statistics.mjs';
import { PYTHON } from './zygote-runtimes.mjs';

const PROGRAMS = join(import.meta.dirname, '../programs');
/** As bench/programs/tables.py has it. */
const ROW_BYTES = 28;
const WAYS = {
  json: { shown: 'JSON by stdin and stdout' },
  csv: { shown: 'CSV by stdin and stdout', file: 'csv' },
  typed: { shown: 'typed step, Arrow', file: 'rows' },
};
/** V8 has no longer text. */
const LONGEST_TEXT = 512 * 2 ** 20;
/** Of a row as JSON, about. */
const JSON_ROW_BYTES = 56;
const sizesOf = (quick) => [
  { bytes: 1e6, shown: '1 MB', rounds: quick ? 3 : 7, runs: 1 },
  { bytes: 100e6, shown: '100 MB', rounds: 1, runs: 1 },
  { bytes: 1e9, shown: '1 GB', rounds: 1, runs: 1 },
];
/** Milliseconds: what would take longer is not begun, and what does is ended. */
const mostOf = (quick) => (quick ? 15_000 : 60_000);

export async function waysOf(directory, quick) {
  const measured = [];
  const most = mostOf(quick);
  for (const size of sizesOf(quick)) {
    const found = Object.fromEntries(Object.keys(WAYS).map((way) => [way, []]));
    const rows = Math.floor(size.bytes / ROW_BYTES);
    for (let run = 0; run < size.runs; run++) {
      for (const [way, { file }] of Object.entries(WAYS)) {
        const before = measured.findLast((each) => each.way === way);
        const reason = reasonAgainst(way, rows, size, before, most);
        found[way].push(reason === undefined ? await measure(directory, way, file, rows, size, most) : { reason });
      }
    }
    for (const way of Object.keys(WAYS)) measured.push({ way, size, runs: found[way] });
  }
  return measured;
}

function reasonAgainst(way, rows, size, before, most) {
  if (way === 'json' && rows * JSON_ROW_BYTES > LONGEST_TEXT) return 'left out: longer than a text can be';
  if (before === undefined) return undefined;
  const reason = before.runs.find((run) => run.reason)?.reason;
  if (reason !== undefined) return reason;
  const expected = takenBy(before) * (size.bytes / before.size.bytes);
  // From little to much says little: what is small is mostly the step itself.
  return way !== 'typed' && before.size.bytes >= 100e6 && expected > most
    ? `left out: about ${Math.round(expected / 1000)} s`
    : undefined;
}

async function measure(directory, way, file, rows, size, most) {
  const path = join(directory, 'ways');
  try {
    if (file !== undefined) {
      execFileSync(PYTHON, [join(PROGRAMS, 'tables.py'), file, String(size.bytes), path], { stdio: 'inherit' });
    }
    const { stdout, timedOut } = await run([way, path, rows, size.rounds], most);
    return timedOut ? { reason: `more than ${most / 1000} s` } : JSON.parse(stdout);
  } finally {
    rmSync(path, { force: true });
  }
}

function run(args, most) {
  const app = ['--expose-gc', '--max-old-space-size=8192', join(PROGRAMS, 'filter-app.mjs'), ...args.map(String)];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, app, { timeout: most, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      if (error?.killed) resolve({ timedOut: true });
      else if (error) reject(new Error(`${args[0]} failed: ${stderr.slice(-4000)}`, { cause: error }));
      else resolve({ stdout });
    });
  });
}

const takenBy = ({ runs }) => median(runs.flatMap(({ taken = [] }) => taken));
const mebibytes = (values) => {
  const largest = Math.max(...values);
  return Number.isFinite(largest) ? `${(largest / 2 ** 20).toFixed(0)} MiB` : '–';
};

export function wayTable(measured, quick) {
  return {
    title: 'Filtering the rows of a table, by several ways',
    note: `pandas or pyarrow keeps half of the rows (a 64-bit integer, a double and a short text, ${ROW_BYTES} bytes in Arrow), in a step of a warm zygote. Milliseconds from what the app has (objects, a CSV file, an Arrow file) to what it wants (objects, columns, a table) and the sum of one column. "Step": its peak; "app": by how much its resident memory had grown at most, what it shares with the table's file included. Nothing that takes more than ${mostOf(quick) / 1000} s.`,
    heads: ['', 'ms', 'to Arrow', 'memory: step', 'app'],
    rows: measured.map(({ way, size, runs }) => {
      const label = `${size.shown}, ${WAYS[way].shown}`;
      const reason = runs.find((each) => each.reason)?.reason;
      if (reason !== undefined) return [label, reason, '', '', ''];
      const arrow = takenBy(measured.find((other) => other.way === 'typed' && other.size === size));
      const taken = takenBy({ runs });
      return [
        label,
        ms(taken),
        Number.isFinite(arrow) ? `${(taken / arrow).toFixed(1)}x` : '–',
        mebibytes(runs.map(({ step }) => step)),
        mebibytes(runs.map(({ app }) => app)),
      ];
    }),
  };
}
