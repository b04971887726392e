import { spawn } from 'node:child_process';
import { spawnSandbox } from 'spawn-sandbox';
import { megabytesPerSecond, percent } from '../format.mjs';
import { median } from '../statistics.mjs';

/** How fast bytes come out, through a step's stdout and through a pipe of `child_process`. */
export async function output({ programs, quick }) {
  const bytes = quick ? 128e6 : 2e9;
  const rounds = quick ? 3 : 7;
  const rates = { sandbox: [], child: [] };
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? ['sandbox', 'child'] : ['child', 'sandbox'];
    for (const name of order) rates[name].push(await megabytes(READERS[name], programs.zeros, bytes));
  }
  const paired = median(rates.sandbox.map((rate, round) => rate / rates.child[round]));
  return {
    tables: [
      {
        title: 'Output',
        note: `A C program writes ${bytes / 1e9} GB of zeros in pieces of 64 KiB; the app counts the bytes of its 'data' events. Median of ${rounds} rounds, alternating.`,
        heads: ['', 'MB/s'],
        rows: [
          ['spawn-sandbox', megabytesPerSecond(median(rates.sandbox))],
          ['child_process', megabytesPerSecond(median(rates.child))],
        ],
      },
    ],
    goals: [
      { what: 'bytes of stdout per second, to child_process', value: percent(paired), measured: paired, atLeast: 0.9 },
    ],
  };
}

const READERS = {
  async sandbox(program, bytes) {
    const step = spawnSandbox(program, [String(bytes)], {
      limits: { output: Infinity },
      collect: false,
    });
    const counted = count(step.stdout);
    const result = await step;
    if (!result.ok) throw new Error(result.detail);
    return counted();
  },
  async child(program, bytes) {
    const child = spawn(program, [String(bytes)], { stdio: ['ignore', 'pipe', 'pipe'] });
    const counted = count(child.stdout);
    await new Promise((closed) => child.on('close', closed));
    return counted();
  },
};

function count(stream) {
  let bytes = 0;
  stream.on('data', (chunk) => {
    bytes += chunk.length;
  });
  return () => bytes;
}

async function megabytes(reader, program, bytes) {
  const begun = performance.now();
  const read = await reader(program, bytes);
  if (read !== bytes) throw new Error(`${read} bytes came instead of ${bytes}`);
  return bytes / 1e3 / (performance.now() - begun);
}
