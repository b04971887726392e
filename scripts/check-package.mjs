// Packs the package, asks publint and attw what they think of it, installs it into an empty folder where there is no compiler, and uses it there; then builds what is in it once more in
// another place and compares. Ends with status 1 when something is not as it should be.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from './find-program.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'spawn-sandbox-package-'));
/** That npm runs by itself when somebody installs it. */
const LIFECYCLE = ['preinstall', 'install', 'postinstall', 'prepare'];
/** All that an app needs of a machine to start. */
const PROGRAMS = ['sh', 'env', 'true', 'echo', 'id', 'cat'];

const USE = `
import { spawnSandbox, createZygote, closeSpawner } from 'spawn-sandbox';
const { ok, stdout } = await spawnSandbox('/bin/sh', ['-c', 'echo $((6 * 7))']);
const zygote = await createZygote({ runtime: 'node' });
const warm = await zygote.spawn({ code: 'console.log(6 * 7)' });
await zygote.destroy();
await closeSpawner();
console.log(JSON.stringify([ok, stdout, warm.ok, warm.stdout]));`;

try {
  const tarball = pack();
  for (const [tool, ...args] of [
    ['publint', 'run', tarball, '--strict'],
    ['attw', tarball, '--profile', 'esm-only'],
  ])
    execFileSync('npx', [tool, ...args], { cwd: root, stdio: 'inherit' });
  const installed = install(tarball);
  checkContents(installed);
  checkUse(dirname(dirname(installed)));
  checkReproducible(installed);
  console.log('package: it is whole, works where there is no compiler, and is made of the same bytes again');
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function pack() {
  const [{ filename }] = JSON.parse(
    npm(root, ['pack', '--json', '--pack-destination', directory]).replace(/^[^[]*/, ''),
  );
  return join(directory, filename);
}

/** Into an empty folder, with a PATH that has no compiler. */
function install(tarball) {
  const app = join(directory, 'app');
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true, "type": "module" }');
  npm(app, ['install', '--no-audit', '--no-fund', '--loglevel=error', tarball], { PATH: bareBin() });
  return join(app, 'node_modules/spawn-sandbox');
}

function bareBin() {
  const bin = join(directory, 'bin');
  if (existsSync(bin)) return bin;
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const name of PROGRAMS) symlinkSync(findProgram(name), join(bin, name));
  return bin;
}

function checkContents(installed) {
  const { scripts } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  for (const name of LIFECYCLE) assert.equal(scripts[name], undefined, `npm would run '${name}' when it is installed`);
  const names = readdirSync(installed, { recursive: true });
  assert.ok(!names.some((name) => name.endsWith('binding.gyp')), 'npm would run node-gyp');
  const prebuilt = join(installed, 'native/prebuilt');
  const sums = readFileSync(join(prebuilt, 'SHA256SUMS'), 'utf8').trim().split('\n');
  assert.equal(sums.length, 13);
  for (const line of sums) {
    const [sum, file] = line.split('  ');
    const bytes = readFileSync(join(prebuilt, file));
    assert.equal(createHash('sha256').update(bytes).digest('hex'), sum, file);
    if (file.includes('/') && !file.endsWith('.h') && !file.endsWith('.a')) {
      const machine = { 'linux-x64': 62, 'linux-arm64': 183 }[dirname(file)];
      assert.deepEqual([bytes.subarray(0, 4).toString('latin1'), bytes.readUInt16LE(18)], ['\x7fELF', machine], file);
    }
  }
}

function checkUse(app) {
  writeFileSync(join(app, 'use.mjs'), USE);
  const run = (args) =>
    execFileSync(process.execPath, args, { cwd: app, env: { ...process.env, PATH: bareBin() } }).toString();
  assert.deepEqual(JSON.parse(run(['use.mjs'])), [true, '42\n', true, '42\n']);
  assert.equal(
    run(['node_modules/.bin/spawn-sandbox', 'run', '--', '/bin/sh', '-c', 'echo from a shell']),
    'from a shell\n',
  );
}

/** From a copy of the sources at another path. */
function checkReproducible(installed) {
  const copy = join(directory, 'elsewhere/deeper/sources');
  const needed = ['native', 'scripts', 'node_modules/node-api-headers', 'package.json'];
  const wanted = (path) => !/\/native\/(build|prebuilt)$/.test(path);
  for (const name of needed) cpSync(join(root, name), join(copy, name), { recursive: true, filter: wanted });
  const again = join(directory, 'again');
  execFileSync(process.execPath, [join(copy, 'scripts/prebuild.mjs'), again], { stdio: 'ignore' });
  assert.equal(
    readFileSync(join(again, 'SHA256SUMS'), 'utf8'),
    readFileSync(join(installed, 'native/prebuilt/SHA256SUMS'), 'utf8'),
    'the same sources give the same bytes',
  );
}

/** By its file, since a PATH that is given may not have it. */
function npm(cwd, args, env = {}) {
  return execFileSync(process.execPath, [realpathSync(findProgram('npm')), ...args], {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
}
