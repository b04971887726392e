// Makes `.venv`: a Python with pandas, pyarrow, numpy and protobuf for the tests, the tour and the benchmark. Silent when it is
// there. Without a package registry they are taken from the system's Python, or left out, and a line says so.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const environment = join(root, '.venv');
const requirements = join(root, 'scripts/requirements.txt');
/** Written last: says what is in it, and that it is whole. */
const stamp = join(environment, 'spawn-sandbox-requirements.txt');
/** The system's own first: other users, which the tests run as, can execute it. */
const PYTHONS = ['/usr/bin/python3', 'python3'];

if (read(stamp) !== readFileSync(requirements, 'utf8')) make();

function make() {
  const python = PYTHONS.find((candidate) => works(candidate, ['-c', 'import venv']));
  if (python === undefined) {
    console.log(
      'setup: no Python with the module venv, so nothing with pandas is run: apt-get install -y python3-venv',
    );
    return;
  }
  console.log('setup: installing pandas, pyarrow, numpy and protobuf into .venv');
  rmSync(environment, { recursive: true, force: true });
  if (works(python, ['-m', 'venv', '--without-pip', environment]) && install()) {
    writeFileSync(stamp, readFileSync(requirements));
    return;
  }
  rmSync(environment, { recursive: true, force: true });
  fallBack(python);
}

function install() {
  const pip = PYTHONS.find((candidate) => works(candidate, ['-m', 'pip', '--version']));
  if (pip === undefined) {
    console.log('setup: no Python with pip: apt-get install -y python3-pip');
    return false;
  }
  const target = ['--python', join(environment, 'bin/python')];
  const options = ['--quiet', '--disable-pip-version-check', '--root-user-action=ignore', '--no-compile'];
  const args = ['-m', 'pip', ...target, 'install', ...options, '-r', requirements];
  if (spawnSync(pip, args, { cwd: root, stdio: 'inherit' }).status !== 0) return false;
  // Compiled now, or every sandbox would compile it again: it cannot write there.
  spawnSync(join(environment, 'bin/python'), ['-m', 'compileall', '-q', '-j2', join(environment, 'lib')]);
  return true;
}

function fallBack(python) {
  const found = ['pandas', 'pyarrow', 'numpy', 'google.protobuf'].filter((name) =>
    works(python, ['-c', `import ${name}`]),
  );
  if (
    found.includes('pandas') &&
    works(python, ['-m', 'venv', '--without-pip', '--system-site-packages', environment])
  ) {
    writeFileSync(stamp, readFileSync(requirements));
    console.log(`setup: the package registry cannot be reached; taken from the system's Python: ${found.join(', ')}`);
    return;
  }
  console.log(
    'setup: the package registry cannot be reached, so nothing with pandas is run. With the system’s own packages: apt-get install -y python3-pandas',
  );
}

function works(program, args) {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

function read(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
