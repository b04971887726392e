// Debian's kernel for virtual machines and a static busybox, unpacked into the cache: nothing is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE } from './paths.mjs';

const KERNEL = 'linux-image-cloud-amd64';
const BUSYBOX = 'busybox-static';

/** Answers where kernel, modules and busybox are; calls `refuse` with the remedy when they cannot be had. */
export function provideKernel(refuse) {
  const directory = join(CACHE, 'kernel');
  if (!existsSync(directory)) download(directory, refuse);
  const [release] = readdirSync(join(directory, 'lib/modules'));
  return {
    image: join(directory, 'boot', `vmlinuz-${release}`),
    modules: join(directory, 'lib/modules', release, 'kernel'),
    busybox: join(directory, 'bin/busybox'),
  };
}

function download(directory, refuse) {
  const fresh = `${directory}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const release = output('apt-cache', ['depends', KERNEL]).match(/Depends: (linux-image-\S+)/)?.[1];
  if (release === undefined) refuse(`apt does not know ${KERNEL}: apt-get update (on a Debian system)`);
  const { status, stderr } = spawnSync('apt-get', ['download', '-o', 'APT::Sandbox::User=root', release, BUSYBOX], {
    cwd: fresh,
    encoding: 'utf8',
  });
  if (status !== 0) refuse(`apt-get download ${release} ${BUSYBOX} failed: ${stderr.trim()}`);
  for (const name of readdirSync(fresh).filter((file) => file.endsWith('.deb'))) {
    const unpacked = spawnSync('dpkg-deb', ['-x', name, '.'], { cwd: fresh, stdio: 'inherit' });
    if (unpacked.status !== 0) refuse(`dpkg-deb cannot unpack ${name}`);
    rmSync(join(fresh, name));
  }
  renameSync(fresh, directory);
}

function output(program, args) {
  return spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } }).stdout ?? '';
}
