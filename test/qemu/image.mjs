// The guest's two file systems: a first one in memory that only finds the disk, and the disk, with node, the built package,
// compiled tests and busybox for everything else.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { packTree } from './cpio.mjs';
import { GUEST, ROOT } from './paths.mjs';
import { findProgram } from '../../scripts/find-program.mjs';
import { PYTHON } from './requirements.mjs';

/** In the order in which they need each other. */
const MODULES = [
  'drivers/virtio/virtio_ring.ko',
  'drivers/virtio/virtio.ko',
  'drivers/virtio/virtio_pci_modern_dev.ko',
  'drivers/virtio/virtio_pci_legacy_dev.ko',
  'drivers/virtio/virtio_pci.ko',
  'drivers/block/virtio_blk.ko',
  'drivers/block/loop.ko',
  'fs/overlayfs/overlay.ko',
];
/** Programs that a guest of another architecture has beside busybox's. */
const PROGRAMS = ['setpriv', 'unshare', 'prlimit'];
/** Whose programs a guest of this machine's files has: tests ask them for more than busybox can do. */
const PACKAGES = [
  ...['bash', 'bsdutils', 'coreutils', 'dash', 'diffutils', 'e2fsprogs', 'findutils', 'grep', 'mount', 'sed'],
  'util-linux',
];
/** Compiled for the guest, which has no compiler. */
const STEPS = ['test/steps/limits.c', 'test/helpers/filter-probe.c'];
const PACKAGE = ['package.json', 'dist', 'proto', 'runtimes'];
const NATIVE = ['spawner', 'prober', 'addon.node', 'zygote-python.so', 'zygote-node.node'];
/** A zygote by itself, with the library that makes it one. */
const RUNTIME = 'test/steps/runtime.c';
/** Development dependencies that a test imports. */
const OF_TESTS = ['node_modules/fast-check', 'node_modules/pure-rand', 'node_modules/typescript'];
/** Python's own tests, and what other programs are linked with. */
const isNeededOfPython = (path) => !/\/(test|config-[^/]*|dist-packages)$/.test(path);
const DIRECTORIES = [
  'dev',
  'proc',
  'sys',
  'tmp',
  'run',
  'root',
  'home',
  'etc',
  'var/tmp',
  'mnt',
  'usr/bin',
  'usr/lib',
  'usr/lib64',
  'usr/sbin',
  'usr/share/doc',
];
const ALIASES = ['bin', 'lib', 'lib64', 'sbin'];

export function buildImage(options, kernel) {
  const target = { ...options, native: nativePrograms(options) };
  compileTests(target);
  compileSteps(target);
  return { initramfs: buildInitramfs(target, kernel), disk: buildDisk(target, kernel) };
}

function compileTests(target) {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  must(process.execPath, [compiler, '-p', 'test/qemu', '--outDir', emptied(target, 'tests')]);
}

function compileSteps(target) {
  const steps = emptied(target, 'steps');
  for (const source of STEPS) {
    must(target.compiler, ['-O1', '-w', '-pthread', '-o', join(steps, basename(source, '.c')), source]);
  }
  must(target.compiler, ['-O1', '-Inative', '-o', join(steps, 'runtime'), RUNTIME, join(target.native, 'zygote.a')]);
}

function buildInitramfs(target, { busybox, modules }) {
  const tree = emptied(target, 'initramfs');
  for (const name of ['bin', 'dev', 'proc', 'root', 'modules']) mkdirSync(join(tree, name));
  cpSync(busybox, join(tree, 'bin/busybox'));
  cpSync(join(GUEST, 'init.sh'), join(tree, 'init'));
  chmodSync(join(tree, 'init'), 0o755);
  if (modules !== undefined) {
    MODULES.forEach((name, index) => {
      cpSync(join(modules, name), join(tree, 'modules', `${index}.ko`));
    });
  }
  const archive = `${tree}.cpio`;
  packTree(tree, archive);
  return archive;
}

function buildDisk(target, kernel) {
  const tree = emptied(target, 'disk');
  for (const name of DIRECTORIES) mkdirSync(join(tree, name), { recursive: true });
  for (const name of ALIASES) symlinkSync(`usr/${name}`, join(tree, name));
  cpSync(kernel.busybox, join(tree, 'usr/bin/busybox'));
  if (target.foreign) installForeign(tree, kernel);
  else installOwn(tree);
  installPackage(target, join(tree, 'app'));
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n');
  writeFileSync(join(tree, 'etc/group'), 'root:x:0:\nuser:x:1000:\n');
  chmodSync(join(tree, 'var/tmp'), 0o1777);
  const image = `${tree}.ext4`;
  rmSync(image, { force: true });
  // Scratch space on a disk takes its room at once, whatever is written to it.
  must(findProgram('mkfs.ext4'), ['-q', '-F', '-O', '^has_journal', '-E', 'root_owner=0:0', '-d', tree, image, '6G'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return image;
}

/** From the packages of its own architecture. */
function installForeign(tree, { root, node }) {
  for (const directory of ['lib', 'usr/lib']) {
    for (const name of readdirSync(join(root, directory)).filter((entry) => /^ld-|-linux-gnu$/.test(entry))) {
      const options = { recursive: true, verbatimSymlinks: true };
      cpSync(join(root, directory, name), join(tree, 'usr/lib', name), options);
    }
  }
  for (const program of [node, ...PROGRAMS.map((name) => join(root, 'usr/bin', name))]) {
    cpSync(program, join(tree, 'usr/bin', basename(program)));
  }
}

/** This machine's own. */
function installOwn(tree) {
  const programs = [process.execPath, PYTHON, ...programsOf(PACKAGES)];
  for (const program of programs) {
    const directory = basename(dirname(program)) === 'sbin' ? 'usr/sbin' : 'usr/bin';
    cpSync(realpathSync(program), join(tree, directory, basename(program)));
  }
  installLibraries(tree, programs);
  const modules = output(PYTHON, ['-c', 'import sysconfig; print(sysconfig.get_path("stdlib"))']).trim();
  cpSync(modules, join(tree, modules), { recursive: true, verbatimSymlinks: true, filter: isNeededOfPython });
  const compiled = readdirSync(join(tree, modules, 'lib-dynload'));
  installLibraries(
    tree,
    compiled.map((name) => join(modules, 'lib-dynload', name)),
  );
}

/** As the system's own list of their files says. */
function programsOf(packages) {
  const files = output('dpkg-query', ['--listfiles', ...packages]).split('\n');
  return files.filter((path) => /^(\/usr)?\/s?bin\/[^/]+$/.test(path) && existsSync(path));
}

/** Into the place that its name has for the system: the loader looks for libraries where they are here. */
function installLibraries(tree, programs) {
  const stdout = output('ldd', programs);
  for (const path of new Set(Array.from(stdout.matchAll(/(\/\S+) \(/g), ([, path]) => path))) {
    const place = join(tree, path.replace(/^\/(lib|lib64)\//, '/usr/$1/'));
    mkdirSync(dirname(place), { recursive: true });
    cpSync(realpathSync(path), place);
  }
}

function installPackage(target, place) {
  for (const name of [...PACKAGE, ...runtimeModules(), ...OF_TESTS]) {
    cpSync(join(ROOT, name), join(place, name), { recursive: true });
  }
  for (const name of NATIVE) cpSync(join(target.native, name), join(place, 'native/build', name));
  cpSync(join(target.cache, 'tests'), join(place, 'build/test'), { recursive: true });
  cpSync(join(target.cache, 'steps'), join(place, 'steps'), { recursive: true });
  cpSync(GUEST, join(place, 'guest'), { recursive: true });
}

/** Where they are; for another architecture they are built first. */
function nativePrograms({ foreign, cache, compiler }) {
  if (!foreign) return join(ROOT, 'native/build');
  const build = join(cache, 'native');
  must('make', ['-C', 'native', '--no-print-directory', '--silent', `CC=${compiler}`, `BUILD=${build}`]);
  return build;
}

/** What the lock file does not mark as needed for development only. */
function runtimeModules() {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  return Object.keys(packages).filter(
    (path) => path !== '' && packages[path].dev !== true && packages[path].optional !== true,
  );
}

function emptied({ cache }, name) {
  const directory = join(cache, name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return directory;
}

function output(program, args) {
  return spawnSync(program, args, { encoding: 'utf8' }).stdout;
}

function must(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', ...options });
  if (status === 0) return;
  const shown = program.startsWith(ROOT) ? relative(ROOT, program) : program;
  throw new Error(`${shown} ended with ${error?.message ?? status}`);
}
