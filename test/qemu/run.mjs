// Runs the tests of limits on a kernel with cgroup v2 alone, in a virtual machine, because the machine at hand may have
// version 1. `node test/qemu/run.mjs NAME...` runs only environments whose name contains a NAME.
import { findMissing } from './requirements.mjs';
import { provideKernel } from './kernel.mjs';
import { buildImage } from './image.mjs';
import { boot } from './machine.mjs';
import { createReport } from './report.mjs';

const MOST_MINUTES = 7;

const missing = findMissing();
if (missing === undefined) await runAll();
else refuse(missing);

async function runAll() {
  const started = Date.now();
  const kernel = provideKernel(refuse);
  const image = buildImage(kernel);
  const report = createReport(process.stdout);
  const limit = MOST_MINUTES * 60_000 - (Date.now() - started);
  const end = await boot({ kernel, image, wanted: process.argv.slice(2), limit, onLine: report.line });
  const { passed, failed } = report.finish(end);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

/** A machine that lacks what this needs is no failure, except where everything has to be tested. */
function refuse(reason) {
  const inCi = process.env.CI === 'true';
  console.log(`${inCi ? 'not' : 'skipped:'} testing cgroup v2: ${reason}`);
  console.log(`0 passed, ${inCi ? 1 : 0} failed`);
  process.exit(inCi ? 1 : 0);
}
