// Each step as soon as what it reads is there, and all at once that can be. A step that fails takes with it what depends on it, and
// nothing else.
import { Cache } from './cache.mjs';
import { startClock } from './clock.mjs';
import { runCommand } from './command.mjs';
import { runJavaScript, runOwn, runPython } from './typed.mjs';
import { WarmRuntimes } from './warm.mjs';

const RUNNERS = { python: runPython, javascript: runJavaScript, run: runCommand };

/** @returns what came of each step, in the order of the workflow */
export async function runWorkflow(workflow, { cacheDirectory }) {
  const begun = new Date();
  const clock = startClock();
  const warm = new WarmRuntimes(clock);
  const cache = new Cache(cacheDirectory);
  const outcomes = new Map();
  try {
    const keys = new Map();
    for (const step of workflow.steps) {
      const inputs = step.inputs.map((input) => outcomes.get(input.step));
      keys.set(step.name, keyOf(step, keys, cache));
      outcomes.set(step.name, settle(step, inputs, keys.get(step.name), { clock, warm, cache }));
    }
    const all = await Promise.all(outcomes.values());
    const millis = clock();
    for (const outcome of all) await outcome.stored;
    return { workflow, begun, millis, warm: warm.starts, outcomes: all };
  } finally {
    for (const { state, table } of await Promise.all(outcomes.values())) if (state === 'done') table.close();
    await warm.destroy();
  }
}

/** None for a step that depends on one without: it will be skipped. */
async function keyOf(step, keys, cache) {
  const inputKeys = await Promise.allSettled(step.inputs.map((input) => keys.get(input.step)));
  if (inputKeys.some(({ value }) => value === undefined)) return undefined;
  return cache.keyOf(
    step,
    inputKeys.map(({ value }) => value),
  );
}

/**
 * `state`: done, cached, failed or skipped. `source`: what is given to steps that read it, which is the table itself or the path of its
 * file.
 */
async function settle(step, inputs, keyToCome, run) {
  try {
    const start = run.clock();
    const key = await keyToCome;
    const found = key === undefined ? undefined : await run.cache.find(key);
    const loaded = run.clock();
    if (key !== undefined && found === undefined) run.warm.begin(step.operation === 'javascript' ? 'node' : 'python');
    const before = await Promise.all(inputs);
    const lacking = step.inputs.filter((_, index) => before[index].source === undefined).map((input) => input.step);
    if (lacking.length > 0) return { step, state: 'skipped', lacking: [...new Set(lacking)], phases: [] };
    if (found !== undefined) {
      const { table, logs, path: source } = found;
      return { step, key, state: 'cached', table, source, logs, phases: [{ name: 'load', start, end: loaded }] };
    }
    const tables = Object.fromEntries(step.inputs.map(({ as }, index) => [as, before[index].source]));
    return await execute(step, key, tables, run);
  } catch (error) {
    // Not the step's doing: the library or the app could not do its part.
    const { code: cause = error.name, message } = error;
    const problem = { cause, detail: message.replace(`${cause}: `, '') };
    return { step, state: 'failed', problem, phases: [] };
  }
}

async function execute(step, key, tables, run) {
  const runner = RUNNERS[step.operation] ?? runOwn;
  const { table, result, failure, logs, phases } = await runner(step, tables, run);
  const memory = result.usage.peakMemoryBytes;
  if (table === undefined) {
    const { cause, detail, status } = result;
    return { step, state: 'failed', problem: { cause, detail, status, failure }, logs, phases, memory };
  }
  // What depends on it need not wait until it is on disk.
  const outcome = { step, key, state: 'done', table, source: table, logs, phases, memory };
  outcome.stored = run.cache.store(key, table, logs).catch((error) => {
    outcome.warning = `The result could not be kept: ${error.message}`;
  });
  return outcome;
}
