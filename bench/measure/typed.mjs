import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createZygote, defineStep } from 'spawn-sandbox';
import { callGoals, callsOf, callTable } from './typed-calls.mjs';
import { inputGoals, inputsOf, inputTable } from './typed-inputs.mjs';
import { sharingGoals, sharingOf, sharingTable } from './typed-memory.mjs';
import { messageGoals, messagesOf, messageTable } from './typed-messages.mjs';
import { outputGoals, outputsOf, outputTable } from './typed-outputs.mjs';
import { TABLES_IN_PYTHON, TYPED_RUNTIMES } from './typed-runtimes.mjs';
import { waysOf, wayTable } from './typed-ways.mjs';
import { PYTHON } from './zygote-runtimes.mjs';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const LARGE = 'file of 1 GiB';
const LARGE_TABLE = 'table of 1 GiB';

/** Messages, calls and tables of typed steps. */
export async function typed({ quick }) {
  const messages = [];
  const calls = [];
  for (const runtime of TYPED_RUNTIMES) {
    messages.push(await messagesOf(runtime, quick ? 30 : 200));
    calls.push(...(await callsOf(runtime, quick ? 15 : 60)));
  }
  const tables = TABLES_IN_PYTHON === undefined ? { tables: [], goals: [] } : await withFiles(quick);
  return {
    tables: [messageTable(messages), callTable(calls), ...tables.tables],
    goals: [...messageGoals(messages), ...callGoals(calls), ...tables.goals],
  };
}

async function withFiles(quick) {
  const directory = mkdtempSync(join(tmpdir(), 'spawn-sandbox-bench-'));
  try {
    const { inputs, sharing } = await withInputs(directory, quick);
    const outputs = await outputsOf(TABLES_IN_PYTHON, quick);
    const ways = await waysOf(directory, quick);
    return {
      tables: [inputTable(inputs), outputTable(outputs), sharingTable(sharing), wayTable(ways, quick)],
      goals: [...inputGoals(inputs, [LARGE, LARGE_TABLE]), ...outputGoals(outputs), ...sharingGoals(sharing)],
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function withInputs(directory, quick) {
  const files = { small: writeNumbers(directory, MIB), large: writeNumbers(directory, GIB) };
  const tables = { small: await returned(files.small), large: await returned(files.large) };
  const sources = {
    'no table': undefined,
    'file of 1 MiB': files.small,
    [LARGE]: files.large,
    'table of 1 MiB': tables.small,
    [LARGE_TABLE]: tables.large,
  };
  try {
    const inputs = [];
    for (const runtime of TYPED_RUNTIMES) inputs.push(...(await inputsOf(runtime, sources, quick ? 8 : 20)));
    return { inputs, sharing: await sharingOf(TABLES_IN_PYTHON, tables.large, tables.small) };
  } finally {
    for (const table of Object.values(tables)) table.close();
    for (const path of Object.values(files)) rmSync(path);
  }
}

function writeNumbers(directory, bytes) {
  const path = join(directory, `numbers-${bytes}`);
  execFileSync(PYTHON, [join(import.meta.dirname, '../programs/tables.py'), 'numbers', String(bytes), path]);
  return path;
}

/** The same, as a table that a step has returned. */
async function returned(path) {
  const zygote = await createZygote(TABLES_IN_PYTHON.withTables);
  try {
    const step = defineStep({
      zygote,
      code: 'def run(params, tables):\n  return tables["input"]',
      function: 'run',
      outputs: { output: { maxBytes: 2 * GIB } },
      limits: { memory: '4GiB' },
    });
    return (await step(null, { tables: { input: path } })).tables.output;
  } finally {
    await zygote.destroy();
  }
}
