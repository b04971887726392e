// Runs a workflow and prints what came of it: `node examples/workbench/run.mjs [workflow] [--cache DIR] [--json]`
import { closeSpawner } from 'spawn-sandbox';
import { readArguments } from './arguments.mjs';
import { runWorkflow } from './run/run-workflow.mjs';
import { asJson } from './show/as-json.mjs';
import { printRun } from './show/print.mjs';
import { readWorkflow } from './workflow/read.mjs';

const { workflow, cacheDirectory, json } = readArguments({ json: { type: 'boolean' } });
const ran = await runWorkflow(await readWorkflow(workflow), { cacheDirectory });
await closeSpawner();
if (json) console.log(asJson(ran));
else printRun(ran);
process.exitCode = ran.outcomes.every(({ state }) => state === 'done' || state === 'cached') ? 0 : 1;
