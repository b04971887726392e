// Makes a fresh clone ready to run: dependencies, native programs, compiled TypeScript. Silent when nothing is to be done.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from './find-program.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const LEAST_NODE = [20, 19];

checkNode();
checkTools();
installDependencies();
buildNative();
buildTypeScript();

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1])) return;
  fail(`Node ${process.version} is too old; spawn-sandbox needs Node ${LEAST_NODE.join('.')} or newer.`);
}

function checkTools() {
  if (process.platform !== 'linux') fail(`spawn-sandbox runs on Linux only, and this is ${process.platform}.`);
  if (!findProgram('cc') || !findProgram('make'))
    fail('A C compiler and make are missing. Run: apt-get install -y gcc make libc6-dev');
  if (!findProgram('python3')) fail('python3 is missing; tests and examples run it. Run: apt-get install -y python3');
}

function installDependencies() {
  const installed = modified('node_modules/.package-lock.json');
  if (installed >= modified('package-lock.json')) return;
  run('installing dependencies', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** make knows better than we do what is stale, and takes little time to find out. */
function buildNative() {
  if (run('', 'make', ['-C', 'native', '--no-print-directory', '--question'], { mayFail: true }) === 0) return;
  run('building the native programs', 'make', ['-C', 'native', '--no-print-directory', '--silent', '--jobs=4']);
}

function buildTypeScript() {
  const sources = newest('src', ['tsconfig.json', 'tsconfig.base.json', 'package-lock.json'].map(modified));
  if (modified('dist/index.js') >= sources) return;
  run('compiling TypeScript', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
  // The compiler leaves alone what did not change; the entry's date tells the next run that all of it is current.
  run('', 'touch', ['dist/index.js']);
}

function newest(directory, dates) {
  const entries = readdirSync(join(root, directory), { recursive: true, withFileTypes: true });
  return Math.max(
    ...dates,
    ...entries.map((entry) => statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs),
  );
}

function modified(path) {
  const file = join(root, path);
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}

function run(what, program, args, { mayFail = false } = {}) {
  if (what !== '') console.log(`setup: ${what}`);
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: mayFail ? 'ignore' : 'inherit' });
  if (mayFail) return status;
  if (error !== undefined) fail(`${program} cannot be started: ${error.message}`);
  if (status !== 0) fail(`${what} failed; what ${program} said stands above.`);
  return status;
}

function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}
