// Jobs of a zygote in a sandbox that lives: one that finds a runtime waiting there, the first one, and the same code as a command.
import { setTimeout as sleep } from 'node:timers/promises';
import { createSandbox, createZygote } from 'spawn-sandbox';
import { ms, times } from '../format.mjs';
import { median, percentile } from '../statistics.mjs';
import { firstByteOf, firstByteOfStep } from './zygote-latency.mjs';
import { RUNTIMES } from './zygote-runtimes.mjs';

/** Tells that one more has preloaded. */
const COUNT = {
  python: 'with open("/tmp/preloaded", "a") as file: file.write("x")',
  node: 'require("node:fs").appendFileSync("/tmp/preloaded", "x")',
};
const SETTLED_MS = 100;

export async function jobs(quick) {
  const rows = [];
  for (const runtime of RUNTIMES) rows.push(...(await rowsOf(runtime, quick)));
  return {
    title: 'Jobs of a zygote in a sandbox that lives',
    note: 'Milliseconds from the request to the first byte that the code itself printed, with nothing else going on. A command starts its interpreter anew; the first job does, too, and one that is to wait for the next.',
    heads: ['', 'p50', 'p99', 'faster than a command'],
    rows,
  };
}

async function rowsOf(runtime, quick) {
  const zygote = await createZygote({ ...runtime.options, preloadCode: COUNT[runtime.options.runtime] });
  try {
    const readOnly = await missing(zygote);
    const taken = { warm: [], first: [], command: [] };
    for (let index = 0; index < (quick ? 2 : 10); index++) {
      await inOneSandbox(zygote, runtime, readOnly, quick ? 3 : 20, taken);
    }
    return [
      row(runtime, 'as a command', taken.command, taken),
      row(runtime, 'the first job', taken.first, taken),
      row(runtime, 'a job that finds one waiting', taken.warm, taken),
    ];
  } finally {
    await zygote.destroy();
  }
}

/** What a sandbox has to show besides. */
async function missing(zygote, readOnly = []) {
  const sandbox = await createSandbox({ filesystem: { readOnly } });
  try {
    await zygote.spawn({ code: '' }, { sandbox });
    return readOnly;
  } catch (error) {
    if (error.code !== 'ERR_COMMAND_NOT_FOUND' || readOnly.includes(error.path)) throw error;
    return await missing(zygote, [...readOnly, error.path]);
  } finally {
    await sandbox.destroy();
  }
}

async function inOneSandbox(zygote, { code, cold, expected }, readOnly, rounds, taken) {
  const sandbox = await createSandbox({ filesystem: { readOnly }, limits: { memory: '2GiB' } });
  try {
    taken.first.push(checked(await firstByteOfStep(zygote, code, { sandbox }), expected));
    for (let round = 0; round < rounds; round++) {
      await untilPreloaded(sandbox, round + 2);
      taken.warm.push(checked(await firstByteOfStep(zygote, code, { sandbox }), expected));
    }
    await untilPreloaded(sandbox, rounds + 2);
    const [file, ...args] = cold;
    taken.command.push(checked(await firstByteOf(() => sandbox.spawn(file, [...args, code])), expected));
  } finally {
    await sandbox.destroy();
  }
}

async function untilPreloaded(sandbox, count) {
  for (;;) {
    const { stdout } = await sandbox.spawn('cat', ['/tmp/preloaded']);
    if (stdout.length >= count) break;
    await sleep(10);
  }
  await sleep(SETTLED_MS);
}

function checked({ taken, output }, expected) {
  if (output !== expected) throw new Error(`a job in a sandbox printed ${output}`);
  return taken;
}

function row({ name }, what, values, { command }) {
  return [
    `${name}, ${what}`,
    ms(median(values)),
    ms(percentile(values, 0.99)),
    times(median(command) / median(values)),
  ];
}
