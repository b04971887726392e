// node filter-app.mjs WAY PATH ROWS TIMES: an app that lets a step filter a table and takes what is left, by one of several ways.
// Prints how long each time took, what memory the step took, and by how much the app's own has grown at most, as JSON.
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { tableFromArrays } from 'apache-arrow';
import { closeSpawner, createZygote, defineStep } from 'spawn-sandbox';
import { TABLES_IN_PYTHON } from '../measure/typed-runtimes.mjs';

const [way, path, rowCount, times] = process.argv.slice(2);
const limits = { memory: '10GiB', input: '8GiB', output: '8GiB', wallTime: '10m' };
const whole = { limits, collect: '1GiB' };

const zygote = await createZygote(TABLES_IN_PYTHON.withTables);
await zygote.spawn({ code: 'pass' });
const act = await { json, csv, typed }[way]();
resetPeak();
const before = status('VmRSS');
const taken = [];
let peak = 0;
let found;
for (let time = 0; time < Number(times); time++) {
  const begun = performance.now();
  const { result, sum } = await act();
  taken.push(performance.now() - begun);
  if (!result.ok) throw new Error(`${result.detail} ${String(result.stderr).slice(-2000)}`);
  peak = Math.max(peak, result.usage.peakMemoryBytes ?? NaN);
  found = sum;
}
console.log(JSON.stringify({ taken, step: peak, app: status('VmHWM') - before, sum: Math.round(found) }));
await zygote.destroy();
await closeSpawner();

/** The app has objects, and wants some. What it has is there before the time runs. */
function json() {
  const rows = Array.from({ length: Number(rowCount) }, (_, id) => ({
    id,
    value: ((id * 2654435761) % 2 ** 32) / 2 ** 32,
    kind: `kind ${String(id % 100).padStart(3, '0')}`,
  }));
  const code = [
    'import io, sys, pandas',
    'frame = pandas.read_json(io.StringIO(sys.stdin.read()), orient="records")',
    'frame[frame.value >= 0.5].to_json(sys.stdout, orient="records")',
  ].join('\n');
  return async () => {
    const result = await zygote.spawn({ code }, { input: JSON.stringify(rows), ...whole });
    const sum = result.ok ? JSON.parse(result.stdout).reduce((total, { value }) => total + value, 0) : NaN;
    return { result, sum };
  };
}

/** The app has a file, and wants columns. */
function csv() {
  const code =
    'import sys, pandas\nframe = pandas.read_csv(sys.stdin)\nframe[frame.value >= 0.5].to_csv(sys.stdout, index=False)';
  return async () => {
    const step = zygote.spawn({ code }, { input: createReadStream(path), ...whole, collect: false });
    const columns = { id: [], value: [], kind: [] };
    let isHead = true;
    for await (const line of step.lines()) {
      const [id, value, kind] = line.split(',');
      if (!isHead) {
        columns.id.push(Number(id));
        columns.value.push(Number(value));
        columns.kind.push(kind);
      }
      isHead = false;
    }
    return { result: await step, sum: columns.value.reduce((total, value) => total + value, 0) };
  };
}

/** The app has a file, and wants a table. */
async function typed() {
  const code = [
    'import pyarrow.compute as pc',
    'def run(params, tables):',
    '  table = tables["input"]',
    '  return {"output": table.filter(pc.greater_equal(table["value"], params["least"]))}',
  ].join('\n');
  const filter = defineStep({ zygote, code, function: 'run', limits });
  // Here and in the zygote, what is loaded at the first call only is not what is measured.
  await filter({ least: 0.5 }, { tables: { input: tableFromArrays({ value: Float64Array.of(0, 1) }) } });
  return async () => {
    const { result, tables } = await filter({ least: 0.5 }, { tables: { input: path } });
    let sum = 0;
    for (const { values } of tables.output.getChild('value').data) for (const value of values) sum += value;
    tables.output.close();
    return { result, sum };
  };
}

function resetPeak() {
  globalThis.gc?.();
  writeFileSync('/proc/self/clear_refs', '5');
}

/** Bytes. */
function status(name) {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
}
