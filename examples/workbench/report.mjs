// Runs a workflow and writes what came of it as a page: `node examples/workbench/report.mjs [workflow] [--out FILE] [--cache DIR]`
import { writeFile } from 'node:fs/promises';
import { closeSpawner } from 'spawn-sandbox';
import { readArguments } from './arguments.mjs';
import { pageOf } from './report/page.mjs';
import { runWorkflow } from './run/run-workflow.mjs';
import { readWorkflow } from './workflow/read.mjs';

const { workflow, cacheDirectory, out = 'workbench.html' } = readArguments({ out: { type: 'string' } });
const ran = await runWorkflow(await readWorkflow(workflow), { cacheDirectory });
await closeSpawner();
await writeFile(out, pageOf(ran));
console.log(out);
