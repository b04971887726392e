// The guest's two file systems: a first one in memory that only finds the disk, and the disk, with node, the built package,
// its compiled tests and busybox for everything else.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { CACHE, GUEST, ROOT } from './paths.mjs';
import { findProgram } from './requirements.mjs';

/** In the order in which they need each other. */
const MODULES = [
  'drivers/virtio/virtio_ring.ko',
  'drivers/virtio/virtio.ko',
  'drivers/virtio/virtio_pci_modern_dev.ko',
  'drivers/virtio/virtio_pci_legacy_dev.ko',
  'drivers/virtio/virtio_pci.ko',
  'drivers/block/virtio_blk.ko',
];
/** Programs of this machine that run in the guest, with their libraries. */
const PROGRAMS = ['setpriv', 'unshare'];
const PACKAGE = ['package.json', 'dist', 'native/build/spawner', 'native/build/addon.node', 'proto'];
const DIRECTORIES = [
  'dev',
  'proc',
  'sys',
  'tmp',
  'run',
  'root',
  'home',
  'etc',
  'var',
  'usr/bin',
  'usr/lib',
  'usr/lib64',
  'usr/sbin',
];
const ALIASES = ['bin', 'lib', 'lib64', 'sbin'];

export function buildImage(kernel) {
  compileTests();
  return { initramfs: buildInitramfs(kernel), disk: buildDisk(kernel) };
}

function compileTests() {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  rmSync(join(CACHE, 'tests'), { recursive: true, force: true });
  must(process.execPath, [compiler, '-p', 'test/qemu']);
  mkdirSync(join(CACHE, 'steps'), { recursive: true });
  must('cc', ['-O1', '-o', join(CACHE, 'steps/limits'), 'test/steps/limits.c']);
}

function buildInitramfs({ busybox, modules }) {
  const tree = emptied('initramfs');
  for (const name of ['bin', 'dev', 'proc', 'root', 'modules']) mkdirSync(join(tree, name));
  cpSync(busybox, join(tree, 'bin/busybox'));
  cpSync(join(GUEST, 'init.sh'), join(tree, 'init'));
  chmodSync(join(tree, 'init'), 0o755);
  MODULES.forEach((name, index) => {
    cpSync(join(modules, name), join(tree, 'modules', `${index}.ko`));
  });
  const archive = `${tree}.cpio`;
  must('sh', ['-c', '"$1" find . | "$1" cpio -o -H newc > "$2"', 'sh', busybox, archive], {
    cwd: tree,
    stdio: ['ignore', 'inherit', 'ignore'],
  });
  return archive;
}

function buildDisk({ busybox }) {
  const tree = emptied('disk');
  for (const name of DIRECTORIES) mkdirSync(join(tree, name), { recursive: true });
  for (const name of ALIASES) symlinkSync(`usr/${name}`, join(tree, name));
  installBusybox(tree, busybox);
  for (const program of [process.execPath, ...PROGRAMS.map(findProgram)]) installProgram(tree, program);
  installPackage(join(tree, 'app'));
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n');
  writeFileSync(join(tree, 'etc/group'), 'root:x:0:\nuser:x:1000:\n');
  const image = `${tree}.ext4`;
  rmSync(image, { force: true });
  must(
    findProgram('mkfs.ext4'),
    ['-q', '-F', '-O', '^has_journal', '-E', 'root_owner=0:0', '-d', tree, image, '384M'],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  return image;
}

function installBusybox(tree, busybox) {
  cpSync(busybox, join(tree, 'usr/bin/busybox'));
  const { stdout } = spawnSync(busybox, ['--list'], { encoding: 'utf8' });
  for (const name of stdout.split('\n').filter((line) => line !== '' && line !== 'busybox')) {
    symlinkSync('busybox', join(tree, 'usr/bin', name));
  }
}

/** Into the place that its name has for the system: the loader looks for libraries where they are here. */
function installProgram(tree, program) {
  const target = join(tree, 'usr/bin', program.split('/').at(-1));
  rmSync(target, { force: true });
  cpSync(realpathSync(program), target);
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' });
  for (const [, path] of stdout.matchAll(/(\/\S+) \(/g)) {
    const place = join(tree, path.replace(/^\/(lib|lib64)\//, '/usr/$1/'));
    mkdirSync(dirname(place), { recursive: true });
    cpSync(realpathSync(path), place);
  }
}

function installPackage(place) {
  for (const name of PACKAGE) cpSync(join(ROOT, name), join(place, name), { recursive: true });
  for (const path of runtimeModules()) cpSync(join(ROOT, path), join(place, path), { recursive: true });
  cpSync(join(CACHE, 'tests'), join(place, 'build/test'), { recursive: true });
  cpSync(join(CACHE, 'steps'), join(place, 'steps'), { recursive: true });
  cpSync(GUEST, join(place, 'guest'), { recursive: true });
}

/** What the lock file does not mark as needed for development only. */
function runtimeModules() {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  return Object.keys(packages).filter(
    (path) => path !== '' && packages[path].dev !== true && packages[path].optional !== true,
  );
}

function emptied(name) {
  const directory = join(CACHE, name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return directory;
}

function must(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', ...options });
  if (status === 0) return;
  const shown = program.startsWith(ROOT) ? relative(ROOT, program) : program;
  throw new Error(`${shown} ended with ${error?.message ?? status}`);
}
