// Runs a part of the tests on other versions of Node than the one at hand: what depends on Node is the addon, streams, signals,
// threads, and Node as a step. Its packages are installed into .cache/. `node scripts/test-nodes.mjs 24` takes only that version.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const VERSIONS = ['22', '24'];
const PART = [
  'unit/',
  ...[
    'abort',
    'causes',
    'concurrency',
    'environment',
    'errors',
    'input',
    'images',
    'kill',
    'life',
    'lines',
    'overlays',
    'roots',
    'sandbox-files',
    'sandboxes',
    'sandboxes-background',
    'sandboxes-events',
    'sandboxes-pause',
    'sandboxes-usage',
    'scratch-on-disk',
    'spawner',
    'streams',
    'terminal',
  ],
  ...[
    'practical-node',
    'practical-streams',
    'typed-messages',
    'typed-steps',
    'typed-tables',
    'worker-threads',
    'zygote-node',
    'zygote-booted',
    'zygote-in-sandbox',
  ],
].map((name) => (name.endsWith('/') ? name : `integration/${name}.`));
const MOST_MINUTES = 15;
const inCi = process.env.CI === 'true';

const wanted = process.argv.slice(2);
const outcomes = [];
for (const version of wanted.length === 0 ? VERSIONS : wanted) outcomes.push(await testOn(version));
console.log('');
for (const { line } of outcomes) console.log(line);
process.exitCode = outcomes.every(({ ok }) => ok) ? 0 : 1;

async function testOn(version) {
  const { node, problem } = provide(version);
  // A machine that cannot get it is no failure, except where everything has to be tested.
  if (node === undefined) return { ok: !inCi, line: `${inCi ? 'failed:' : 'skipped:'} Node ${version}: ${problem}` };
  const directory = mkdtempSync(join(tmpdir(), 'spawn-sandbox-node-'));
  try {
    return await runTests(placeOpenly(node, directory));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The program, or why it cannot be had. */
function provide(version) {
  const name = `node-linux-${process.arch}`;
  const place = join(root, '.cache/nodes', version);
  const node = join(place, 'node_modules', name, 'bin/node');
  if (existsSync(node)) return { node };
  mkdirSync(place, { recursive: true });
  const args = ['install', '--prefix', place, '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, error, stderr } = spawnSync('npm', [...args, `${name}@${version}`], { encoding: 'utf8' });
  if (status === 0 && existsSync(node)) return { node };
  return { problem: `npm cannot install ${name}@${version}: ${error?.message ?? stderr.trim()}` };
}

/** The checkout may lie where an ordinary user cannot reach it. */
function placeOpenly(node, directory) {
  const bin = join(directory, 'bin');
  chmodSync(directory, 0o755);
  mkdirSync(bin, { mode: 0o755 });
  const copy = join(bin, 'node');
  copyFileSync(node, copy);
  chmodSync(copy, 0o755);
  return copy;
}

async function runTests(node) {
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`\n== Node ${version}`);
  const started = Date.now();
  const { end, output } = await collect(node, ['scripts/test.mjs', ...PART]);
  const ok = end === 0;
  if (!ok) console.log(output);
  const totals = output.split('\n').filter((line) => line.startsWith('test: as '));
  const seconds = Math.round((Date.now() - started) / 1000);
  const how = ok ? 'passed' : `failed (${end})`;
  return { ok, line: `Node ${version}: ${how}; ${totals.map((line) => line.slice(6)).join('; ')} (${seconds} s)` };
}

/** In a process group of its own, so that all of it can be ended. */
function collect(node, args) {
  return new Promise((resolve) => {
    const child = spawn(node, args, {
      cwd: root,
      detached: true,
      env: { ...process.env, PATH: `${join(node, '..')}:${process.env.PATH ?? ''}` },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      process.kill(-child.pid, 'SIGKILL');
    }, MOST_MINUTES * 60_000);
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      resolve({ end: late ? `it took more than ${MOST_MINUTES} minutes` : (status ?? signal), output });
    });
  });
}
