// npm run bench [-- [--quick] [--write] [SECTION...]]: measures this library against starting programs without it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { closeSpawner, spawnSandbox } from 'spawn-sandbox';
import { closeContenders, openContenders } from './contenders/all.mjs';
import { directories } from './measure/directories.mjs';
import { latency } from './measure/latency.mjs';
import { memory } from './measure/memory.mjs';
import { output } from './measure/output.mjs';
import { realPrograms } from './measure/real-programs.mjs';
import { sandboxes } from './measure/sandboxes.mjs';
import { syscalls } from './measure/syscalls.mjs';
import { throughput } from './measure/throughput.mjs';
import { typed } from './measure/typed.mjs';
import { zygotes } from './measure/zygotes.mjs';
import { describeMachine } from './observe/machine.mjs';
import { compilePrograms } from './programs/compile.mjs';
import { goalTable, markdown, printTable } from './report.mjs';

const SECTIONS = {
  latency,
  throughput,
  memory,
  output,
  syscalls,
  programs: realPrograms,
  sandboxes,
  directories,
  zygotes,
  typed,
};
const DOCUMENT = join(import.meta.dirname, '../docs/benchmarks.md');
const USAGE = `Usage: npm run bench -- [--quick] [--write] [SECTION...]

Sections: ${Object.keys(SECTIONS).join(', ')}; all of them when none is named.
  --quick   a fraction of the rounds, about a minute in all: to try it, not to trust it
  --write   write docs/benchmarks.md, which only a full run does otherwise
`;

function parse() {
  try {
    const { values, positionals } = parseArgs({
      options: { quick: { type: 'boolean' }, write: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
    const unknown = positionals.find((name) => !Object.hasOwn(SECTIONS, name));
    if (unknown !== undefined) throw new Error(`There is no section '${unknown}'.`);
    return { ...values, names: positionals.length > 0 ? positionals : Object.keys(SECTIONS) };
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function facts(quick) {
  const { kernel, node, processors, memoryGiB, user } = describeMachine();
  const { enforced } = await spawnSandbox('/bin/true');
  return {
    date: new Date().toISOString().slice(0, 10),
    kernel,
    Node: node,
    processors,
    memory: `${memoryGiB} GiB`,
    'the app runs as': user,
    'memory limited by': enforced.memory.by ?? enforced.memory.state,
    ...(quick ? { rounds: 'a few only (--quick), not to be trusted' } : {}),
  };
}

const { quick = false, write = false, help, names } = parse();
if (help) {
  console.log(USAGE);
  process.exit(0);
}
const programs = compilePrograms();
const known = await facts(quick);
console.log(
  Object.entries(known)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', '),
);
const contenders = await openContenders(programs);
const goals = [];
const tables = [];
for (const name of names) {
  const begun = performance.now();
  const measured = await SECTIONS[name]({ contenders, programs, quick });
  measured.tables.forEach(printTable);
  console.log(`  (${name}: ${((performance.now() - begun) / 1000).toFixed(1)} s)`);
  goals.push(...measured.goals);
  tables.push(...measured.tables);
}
if (goals.length > 0) printTable(goalTable(goals));
await closeContenders(contenders);
await closeSpawner();
const full = !quick && names.length === Object.keys(SECTIONS).length;
if (full || write) writeFileSync(DOCUMENT, markdown(known, goals, tables));
