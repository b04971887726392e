// pyspawner forks confined processes from a warm Python, made for pandas, too.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ENVIRONMENT = join(import.meta.dirname, '../../.cache/pyspawner');
const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');
/** Written last: says what is in it, and that it is whole. */
const STAMP = join(ENVIRONMENT, 'requirements.txt');
const PIPS = ['/usr/bin/python3', 'python3'];
const START_MS = 60_000;

/** Something with `name` and `firstByte(code)`, or, where it cannot be had, only a `note` that says why. */
export async function openPyspawner({ options, code, expected }) {
  try {
    if (process.geteuid() !== 0) throw new Error('it runs as root only');
    if (!existsSync(options.interpreter)) throw new Error('there is no Python with pandas');
    install(options.interpreter);
    return await start(options.preload, code, expected);
  } catch (error) {
    return { note: `pyspawner was not measured: ${error.message}.`, close: () => {} };
  }
}

async function start(preload, code, expected) {
  const { ask, close } = converse(preload);
  try {
    const { output, errors } = await ask(code);
    if (output !== expected) throw new Error(`its first job failed: ${lastLine(errors)}`);
  } catch (error) {
    close();
    throw error;
  }
  const { version } = /^pyspawner==(?<version>.+)$/m.exec(readFileSync(REQUIREMENTS, 'utf8')).groups;
  return {
    name: `pyspawner ${version}`,
    firstByte: ask,
    close,
    note: `pyspawner is measured by its own client in Python, which preloaded the same pandas: its namespaces, identity and capabilities, without its system call filter, which ends whatever starts a thread with a current C library, and without a root directory, cgroups and limits.`,
  };
}

/** Not into the project's own: it has the same interpreter, and sees the same pandas. */
function install(interpreter) {
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === readFileSync(REQUIREMENTS, 'utf8')) return;
  rmSync(ENVIRONMENT, { recursive: true, force: true });
  run(interpreter, ['-m', 'venv', '--without-pip', ENVIRONMENT]);
  const python = join(ENVIRONMENT, 'bin/python');
  const pip = PIPS.find((candidate) => spawnSync(candidate, ['-m', 'pip', '--version']).status === 0);
  if (pip === undefined) throw new Error('there is no Python with pip');
  const options = ['--quiet', '--disable-pip-version-check', '--root-user-action=ignore', '--no-deps'];
  run(pip, ['-m', 'pip', '--python', python, 'install', ...options, '-r', REQUIREMENTS]);
  const packages = (of) => run(of, ['-c', 'import site; print("\\n".join(site.getsitepackages()))']);
  writeFileSync(join(packages(python).trim().split('\n')[0], 'pandas.pth'), packages(interpreter));
  writeFileSync(STAMP, readFileSync(REQUIREMENTS));
}

function run(file, args) {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`it cannot be installed: ${lastLine(stderr) || error?.message}`);
  return stdout;
}

/** One question at a time, each answered by a line. */
function converse(preload) {
  const child = spawn(join(ENVIRONMENT, 'bin/python'), ['-B', '-W', 'ignore', 'pyspawner_peer.py', ...preload], {
    cwd: import.meta.dirname, // where its children find the job's module
  });
  let words = '';
  let waiting;
  let over;
  child.stderr.on('data', (chunk) => (words = (words + chunk).slice(-4096)));
  child.stdin.on('error', () => {}); // 'close' tells
  const end = (why) => {
    over = new Error(`it cannot be started, or has ended: ${why}`);
    waiting?.reject(over);
  };
  child.on('error', ({ message }) => end(message));
  child.on('close', () => end(lastLine(words)));
  createInterface({ input: child.stdout }).on('line', (line) => waiting?.resolve(JSON.parse(line)));
  const close = () => child.stdin.end();
  const ask = async (code) => {
    if (over !== undefined) throw over;
    const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
    try {
      return await new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        child.stdin.write(`${JSON.stringify(code)}\n`);
      });
    } finally {
      clearTimeout(timer);
    }
  };
  return { ask, close };
}

function lastLine(text) {
  return text?.trim().split('\n').at(-1) ?? '';
}
