// A function that is called in a step of a warm runtime: the tables go in and come out without a copy.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineStep, StepError } from 'spawn-sandbox';
import { OPERATIONS } from '../workflow/operations.mjs';
import { collectLogs } from './logs.mjs';
import { phasesOf } from './clock.mjs';

const OWN_OPERATIONS = readFileSync(join(import.meta.dirname, '../operations/operations.py'), 'utf8');
/** Where a step sees the file that it reads. */
const FILE = '/data/input.csv';
/** The parameters of a step that reads what a command printed contain it. */
const MOST_PARAMS = '16MiB';

/** One of the workbench's own operations. */
export function runOwn(step, tables, run) {
  const { function: name, params } = OPERATIONS[step.operation].own;
  const given = Object.fromEntries(
    params.filter((field) => field in step.fields).map((field) => [field, step.fields[field]]),
  );
  const file = step.file === undefined ? {} : { path: FILE };
  return call(step, { runtime: 'python', code: OWN_OPERATIONS, function: name }, { ...given, ...file }, tables, run);
}

/** Source text of a user. */
export function runPython(step, tables, run) {
  const { python, params = null } = step.fields;
  return call(step, { runtime: 'python', code: python, function: 'run' }, params, tables, run);
}

/** Source text of a user. */
export function runJavaScript(step, tables, run) {
  const { javascript, params = null } = step.fields;
  return call(step, { runtime: 'node', code: javascript, function: 'run' }, params, tables, run);
}

/** Text with separators, as a command printed it. It is parsed where it can do no harm. */
export function parseText(step, text, run) {
  const { header, nulls = [] } = step.fields;
  const definition = { runtime: 'python', code: OWN_OPERATIONS, function: 'read_csv' };
  return call(
    { ...step, file: undefined, fields: { columns: step.fields.columns } },
    definition,
    { text, header, nulls },
    {},
    run,
  );
}

async function call(step, { runtime, ...definition }, params, tables, { warm, clock }) {
  const { limits, columns } = step.fields;
  const asked = clock();
  const zygote = await warm.get(runtime);
  const typed = defineStep({
    zygote,
    ...definition,
    outputs: { table: columns === undefined ? {} : { schema: columns } },
    maxMessageBytes: MOST_PARAMS,
    ...(limits === undefined ? {} : { limits }),
    ...(step.file === undefined ? {} : { filesystem: { readOnly: [{ source: step.file, target: FILE }] } }),
  });
  const called = clock();
  const running = typed(params, { tables });
  const printed = collectLogs(running.logs, clock);
  const outcome = await outcomeOf(running);
  const { logs, ended } = await printed;
  const { table, result, failure } = outcome;
  const waited = called - asked > 1 ? [{ name: 'warm-up', start: asked, end: called }] : [];
  const wasChecked = result.ok || result.cause === 'invalidOutput';
  const phases = [...waited, ...phasesOf({ called, ended, checked: wasChecked ? clock() : undefined }, result.usage)];
  return { table, result, failure, logs, phases };
}

/** What the step did is a value here; what the library could not do stays an exception. */
async function outcomeOf(running) {
  try {
    const { tables, result } = await running;
    return { table: tables.table, result };
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    return { result: error.result, failure: error.failure };
  }
}
