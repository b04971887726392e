// A native command over a file that it can only read; what it prints becomes a table.
import { spawnSandbox } from 'spawn-sandbox';
import { phasesOf } from './clock.mjs';
import { logsOfText } from './logs.mjs';
import { parseText } from './typed.mjs';

const FILE = '/data/input.csv';
const LIMITS = { memory: '128MiB', wallTime: '10s', output: '8MiB' };

export async function runCommand(step, tables, run) {
  const [program, ...args] = step.fields.run;
  const called = run.clock();
  const result = await spawnSandbox(program, [...args, FILE], {
    filesystem: { readOnly: [{ source: step.file, target: FILE }] },
    limits: { ...LIMITS, ...step.fields.limits },
    collect: LIMITS.output,
  });
  const phases = phasesOf({ called, ended: run.clock() }, result.usage);
  const logs = logsOfText('stderr', result.stderr);
  if (!result.ok) return { result, logs, phases };
  const parsed = await parseText(step, result.stdout, run);
  const [warmUp] = parsed.phases.filter(({ name }) => name === 'warm-up');
  if (warmUp !== undefined) phases.push(warmUp);
  // Reading it into a table is the check of what the command said.
  phases.push({ name: 'check', start: phases.at(-1).end, end: run.clock() });
  return { ...parsed, logs, phases, result: costlier(result, parsed.result) };
}

/** Of two sandboxes: how the second one ended, and the most that either took. */
function costlier(first, second) {
  const [a, b] = [first.usage.peakMemoryBytes, second.usage.peakMemoryBytes];
  const peakMemoryBytes = a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
  return { ...second, usage: { ...second.usage, peakMemoryBytes } };
}
