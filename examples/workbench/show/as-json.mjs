// A run for other programs. Tables are in the cache, `KEY.arrow` each.
import { timesOf } from '../run/clock.mjs';

export function asJson({ workflow, millis, outcomes }) {
  const steps = outcomes.map(({ step, state, key, table, problem, lacking, logs, phases, memory }) => ({
    ...{ name: step.name, state, key, rows: table?.numRows, problem, lacking, logs },
    ...{ times: timesOf(phases), phases, memory },
  }));
  return JSON.stringify({ title: workflow.title, millis, steps }, null, 2);
}
