// Runs every test as the current user and, when that is root, once more as an ordinary user: the library works differently
// there, and neither run stands for the other. `node scripts/test.mjs NAME...` runs only files whose path contains a NAME. `--ranged` runs
// them as an ordinary user only, one that has a range of subordinate ids.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
/** An id without an account: what works for it works for every user. */
const ORDINARY_ID = 47_000;
/** For one file, of which the slowest takes a tenth of it: what hangs shall fail by its name, and not the whole run by its length. */
const MOST_MS_OF_A_FILE = process.env.FAULTS === 'long' ? 3_600_000 : 480_000;
const { values, positionals: wanted } = parseArgs({
  options: { ranged: { type: 'boolean' } },
  allowPositionals: true,
});
if (values.ranged && !isRoot()) throw new Error('--ranged needs root, which gives the range');

compileTests();
const withRange = values.ranged ? await commandsForRange() : undefined;
const runs = values.ranged ? [] : [await runTests(root, { name: isRoot() ? 'root' : 'user' })];
if (isRoot()) runs.push(await runAsOrdinaryUser());
summarize(runs);

function compileTests() {
  // What was compiled from a test that is gone would still be run.
  rmSync(join(root, 'build/test'), { recursive: true, force: true });
  const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'test'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(1);
}

/** An account with a range, in a mount namespace that nobody else sees. */
async function commandsForRange() {
  const { SUBORDINATE_IDS } = await import('../build/test/helpers/worlds.js');
  return [...SUBORDINATE_IDS.before, 'exec "$@"'].join('\n');
}

/** From a copy, because the checkout may lie where others cannot read. */
async function runAsOrdinaryUser() {
  const copy = mkdtempSync(join(tmpdir(), 'spawn-sandbox-test-'));
  try {
    chmodSync(copy, 0o755);
    for (const name of [
      'package.json',
      'dist',
      'build',
      'proto',
      'runtimes',
      'native/build',
      'docs',
      'native/addon',
      'native/common',
      'native/limits',
      'native/sandbox',
      'native/spawner',
      'native/zygote',
      'test',
      'examples',
      'src',
      'scripts',
    ]) {
      if (existsSync(join(root, name))) cpSync(join(root, name), join(copy, name), { recursive: true });
    }
    spawnSync('chmod', ['-R', 'a+rX', copy]);
    provide(copy, 'node_modules', 'execa/package.json');
    if (existsSync(join(root, '.venv'))) provide(copy, '.venv', 'pyvenv.cfg');
    const home = join(copy, 'home');
    const temporary = join(copy, 'tmp');
    for (const directory of [home, temporary]) makeOwned(directory);
    return await runTests(copy, { name: 'user', env: { HOME: home, TMPDIR: temporary, XDG_RUNTIME_DIR: home } });
  } finally {
    rmSync(copy, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A link is enough where others can read the checkout; else what it leads to is copied, which takes some seconds. */
function provide(copy, name, something) {
  const place = join(copy, name);
  symlinkSync(join(root, name), place);
  const [program, ...args] = asOrdinaryUser(['test', '-r', join(place, something)]);
  if (spawnSync(program, args).status === 0) return;
  rmSync(place);
  cpSync(join(root, name), place, { recursive: true, verbatimSymlinks: true });
  spawnSync('chmod', ['-R', 'a+rX', place]);
}

function asOrdinaryUser(command) {
  return [
    'setpriv',
    `--reuid=${ORDINARY_ID}`,
    `--regid=${ORDINARY_ID}`,
    '--clear-groups',
    '--inh-caps=-all',
    ...command,
  ];
}

function makeOwned(directory) {
  mkdirSync(directory, { mode: 0o700 });
  spawnSync('chown', [`${ORDINARY_ID}:${ORDINARY_ID}`, directory]);
}

/** Answers how many passed, failed and were skipped. */
function runTests(directory, { name, env = {} }) {
  const files = testFiles(join(directory, 'build/test')).map((file) => relative(directory, file));
  const chosen = wanted.length === 0 ? files : files.filter((file) => wanted.some((part) => file.includes(part)));
  console.log(`\ntest: ${chosen.length} files as ${name === 'root' ? 'root' : 'an ordinary user'}`);
  const node = [
    process.execPath,
    '--test',
    '--test-concurrency=2',
    `--test-timeout=${MOST_MS_OF_A_FILE}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    ...chosen,
  ];
  const asUser = name === 'user' && isRoot() ? asOrdinaryUser(node) : node;
  const [program, ...args] =
    withRange === undefined ? asUser : ['unshare', '--mount', 'sh', '-ec', withRange, 'sh', ...asUser];
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: directory,
      env: {
        ...process.env,
        ...env,
        SPAWN_SANDBOX_TEST_AS: values.ranged ? 'ranged' : name,
        NODE_TEST_CONTEXT: undefined,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let tail = '';
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk);
      tail = (tail + chunk).slice(-65_536);
    });
    child.on('error', (error) => resolve({ name, passed: 0, failed: 1, skipped: 0, problem: error.message }));
    child.on('close', (status) => resolve({ name, status, ...counts(tail, status), failures: failuresIn(tail) }));
  });
}

/** The totals that the reporter ends with. A run that breaks off without them has failed. */
function counts(output, status) {
  const count = (word) => Number([...output.matchAll(new RegExp(`^ℹ ${word} (\\d+)$`, 'gm'))].at(-1)?.[1] ?? 0);
  const failed = count('fail') + count('cancelled');
  return { passed: count('pass'), failed: failed === 0 && status !== 0 ? 1 : failed, skipped: count('skipped') };
}

/** What the reporter says of each failure at its end; said again at the very end, where a log that was cut still has it. */
function failuresIn(output) {
  return output.split('\n✖ failing tests:\n').slice(1).join('').trim().slice(0, 8192);
}

function testFiles(directory) {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'));
  return files.map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort();
}

function summarize(all) {
  for (const { name, failures } of all) {
    if (failures) console.log(`\ntest: failed as ${name}:\n\n${failures}`);
  }
  console.log('');
  for (const { name, passed, failed, skipped, problem } of all) {
    console.log(
      `test: as ${name}: ${passed} passed, ${failed} failed, ${skipped} skipped${problem === undefined ? '' : ` (${problem})`}`,
    );
  }
  const sum = (key) => all.reduce((total, one) => total + one[key], 0);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  if (sum('failed') > 0) process.exitCode = 1;
}

function isRoot() {
  return process.getuid() === 0;
}
