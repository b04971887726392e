// Runs tests on Debian's kernel with cgroup v2 alone, in a virtual machine, because the machine at hand may have version 1, and
// is of one architecture. `node test/qemu/run.mjs NAME...` runs only environments whose name contains a NAME, or, for =NAME, is that; `--arch=arm64`
// emulates the other architecture. `--only=FILE` runs only test
// files whose name contains that. `--cores` takes a kernel that is built with core scheduling, and one core with two threads.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ARCHITECTURES } from './architectures.mjs';
import { buildKernel } from './built-kernel.mjs';
import { buildImage } from './image.mjs';
import { provideKernel } from './kernel.mjs';
import { boot } from './machine.mjs';
import { CACHE } from './paths.mjs';
import { createReport } from './report.mjs';
import { findMissing } from './requirements.mjs';

/** About 20 where two processors are idle. They wait for each other, so beside other work it takes several times as long. */
const MOST_MINUTES = 90;

const { values, positionals } = parseArgs({
  options: {
    arch: { type: 'string', default: 'x64' },
    cores: { type: 'boolean' },
    only: { type: 'string', default: '' },
  },
  allowPositionals: true,
});
const target = {
  ...ARCHITECTURES[values.arch],
  arch: values.arch,
  foreign: values.arch !== process.arch,
  cache: join(CACHE, values.arch),
  // A processor that tells of threads.
  ...(values.cores === true
    ? { machine: ['-cpu', 'Skylake-Server'], processors: '2,sockets=1,cores=1,threads=2', environments: ['cores'] }
    : {}),
};
const missing = ARCHITECTURES[values.arch] === undefined ? `there is no ${values.arch}` : findMissing(target);
if (missing === undefined) await runAll();
else refuse(missing);

async function runAll() {
  const started = Date.now();
  const debian = provideKernel(target, refuse);
  const kernel = values.cores === true ? { ...debian, image: buildKernel(target, refuse), modules: undefined } : debian;
  const image = buildImage(target, kernel);
  const report = createReport(process.stdout, `${values.arch}, cgroup v2`);
  const wanted = positionals.length === 0 ? target.environments : positionals;
  const limit = MOST_MINUTES * 60_000 - (Date.now() - started);
  const end = await boot({ target, kernel, image, wanted, only: values.only, limit, onLine: report.line });
  const { passed, failed } = report.finish(end);
  console.log(`${Math.round((Date.now() - started) / 1000)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

/** A machine that lacks what this needs is no failure, except where everything has to be tested. */
function refuse(reason) {
  const inCi = process.env.CI === 'true';
  console.log(`${inCi ? 'not' : 'skipped:'} testing ${values.arch} in a virtual machine: ${reason}`);
  console.log(`0 passed, ${inCi ? 1 : 0} failed`);
  process.exit(inCi ? 1 : 0);
}
