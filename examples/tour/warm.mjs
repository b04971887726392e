import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createZygote, spawnSandbox } from 'spawn-sandbox';
import { chapter, say, table, told } from './print.mjs';

const ROUNDS = 10;
const WITH_PANDAS = join(import.meta.dirname, '../../.venv/bin/python');

/** The same job in an interpreter that is started for it, and in one that was warm before. */
export async function warm() {
  const pandas = existsSync(WITH_PANDAS);
  chapter(pandas ? 'pandas and Node, cold and warm' : 'Python and Node, cold and warm (pandas could not be installed)');
  const python = pandas ? WITH_PANDAS : 'python3';
  const pythonCode = pandas
    ? 'import pandas as pd; print(int(pd.DataFrame({"price": [3, 4], "pieces": [5, 6]}).prod(axis=1).sum()))'
    : 'import decimal; print(int(decimal.Decimal(13) * 3))';
  const nodeCode = 'console.log(3 * 5 + 4 * 6)';
  await compare(
    { runtime: 'python', interpreter: python, preload: pandas ? ['pandas'] : ['decimal'], parked: 2 },
    () => spawnSandbox(python, ['-c', pythonCode]),
    pythonCode,
  );
  await compare({ runtime: 'node', parked: 2 }, () => spawnSandbox(process.execPath, ['-e', nodeCode]), nodeCode);
}

async function compare(options, startCold, code) {
  const started = performance.now();
  const zygote = await createZygote(options);
  const name = [options.runtime, ...(options.preload ?? [])].join(' with ');
  say(
    `A ${name} is warm after ${(performance.now() - started).toFixed(0)} ms; steps are forked from it, each into a sandbox of its own.`,
  );
  try {
    const { cold, hot } = await measure({ cold: startCold, hot: () => zygote.spawn({ code }) });
    table(
      ['', 'until the first byte'],
      [
        ['cold: a new interpreter', `${cold.millis.toFixed(1)} ms`],
        ['warm: a step that waited', `${hot.millis.toFixed(1)} ms`],
      ],
    );
    told(
      'both computed the same',
      cold.output === hot.output && hot.output === '39\n',
      `${cold.output}, ${hot.output}`,
    );
    told('warm is five times as fast at least', hot.millis * 5 < cold.millis);
  } finally {
    await zygote.destroy();
  }
}

/** Of each the median of some rounds, in turn, so that what else the machine does slows both; and what the last of them printed. */
async function measure(starts) {
  const names = Object.keys(starts);
  const times = Object.fromEntries(names.map((name) => [name, []]));
  const outputs = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of names) {
      await new Promise((resolve) => setTimeout(resolve, 50)); // until the next one waits again
      const begun = performance.now();
      const step = starts[name]();
      await new Promise((resolve) => step.stdout.once('data', resolve));
      times[name].push(performance.now() - begun);
      outputs[name] = String((await step).stdout);
    }
  }
  return Object.fromEntries(
    names.map((name) => [name, { millis: times[name].toSorted((a, b) => a - b)[ROUNDS / 2], output: outputs[name] }]),
  );
}
