// Debian's kernel for virtual machines and a static busybox, unpacked into the cache: nothing is installed. For another
// architecture also the libraries, programs and Node that this machine cannot lend.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BUSYBOX = 'busybox-static';
const FOREIGN = ['libc6', 'libgcc-s1', 'libstdc++6', 'util-linux', 'libcap-ng0'];
const [NODE_MAJOR] = process.versions.node.split('.');

/** Answers where kernel, modules and busybox are; calls `refuse` with the remedy when they cannot be had. */
export function provideKernel(target, refuse) {
  const directory = join(target.cache, 'kernel');
  if (!existsSync(directory)) download(target, directory, refuse);
  if (target.foreign && !existsSync(nodeIn(directory))) downloadNode(target, directory, refuse);
  const [release] = readdirSync(join(directory, 'lib/modules'));
  return {
    image: join(directory, 'boot', `vmlinuz-${release}`),
    modules: join(directory, 'lib/modules', release, 'kernel'),
    busybox: join(directory, 'bin/busybox'),
    ...(target.foreign ? { root: directory, node: nodeIn(directory) } : {}),
  };
}

function nodeIn(directory) {
  return join(directory, `node-${NODE_MAJOR}/package/bin/node`);
}

function download(target, directory, refuse) {
  const name = `linux-image-cloud-${target.debian}`;
  const fresh = `${directory}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const lists = target.foreign ? foreignLists(target, refuse) : [];
  const release = output('apt-cache', [...lists, 'depends', name]).match(/Depends: (linux-image-\S+)/)?.[1];
  if (release === undefined) refuse(`apt does not know ${name}: apt-get update (on a Debian system)`);
  const packages = [release, BUSYBOX, ...(target.foreign ? FOREIGN : [])];
  const { status, stderr } = spawnSync(
    'apt-get',
    [...lists, 'download', '-o', 'APT::Sandbox::User=root', ...packages],
    { cwd: fresh, encoding: 'utf8' },
  );
  if (status !== 0) refuse(`apt-get download ${packages.join(' ')} failed: ${stderr.trim()}`);
  for (const name of readdirSync(fresh).filter((file) => file.endsWith('.deb'))) {
    const unpacked = spawnSync('dpkg-deb', ['-x', name, '.'], { cwd: fresh, stdio: 'inherit' });
    if (unpacked.status !== 0) refuse(`dpkg-deb cannot unpack ${name}`);
    rmSync(join(fresh, name));
  }
  renameSync(fresh, directory);
}

/** Options for apt with lists of its own: the system's need not know of another architecture. */
function foreignLists(target, refuse) {
  const place = join(target.cache, 'apt');
  for (const name of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(place, name), { recursive: true });
  writeFileSync(join(place, 'status'), '');
  const options = [
    `APT::Architecture=${target.debian}`,
    `APT::Architectures=${target.debian}`,
    `Dir::State=${join(place, 'state')}`,
    `Dir::State::status=${join(place, 'status')}`,
    `Dir::Cache=${join(place, 'cache')}`,
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  const { status, stderr } = spawnSync('apt-get', [...options, 'update'], { encoding: 'utf8' });
  if (status !== 0) refuse(`apt-get update for ${target.debian} failed: ${stderr.trim()}`);
  return options;
}

/** Of this one's major version. The package is for another machine, so it is unpacked and not installed. */
function downloadNode({ arch }, directory, refuse) {
  const name = `node-linux-${arch}@${NODE_MAJOR}`;
  const place = join(directory, `node-${NODE_MAJOR}`);
  mkdirSync(place, { recursive: true });
  const packed = spawnSync('npm', ['pack', '--silent', name], { cwd: place, encoding: 'utf8' });
  const [archive] = readdirSync(place).filter((file) => file.endsWith('.tgz'));
  if (packed.status !== 0 || archive === undefined) refuse(`npm pack ${name} failed: ${packed.stderr.trim()}`);
  spawnSync('tar', ['-xzf', archive], { cwd: place, stdio: 'inherit' });
  rmSync(join(place, archive));
}

function output(program, args) {
  return spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } }).stdout ?? '';
}
