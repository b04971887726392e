import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EMULATOR } from './paths.mjs';

/** Debian packages by the program that is looked for. */
const PACKAGES = {
  [EMULATOR]: 'qemu-system-x86',
  'mkfs.ext4': 'e2fsprogs',
  'dpkg-deb': 'dpkg',
  'apt-get': 'apt',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  ldd: 'libc-bin',
  cc: 'gcc libc6-dev',
};

const SEARCHED = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`.split(':');

/** Why the tests cannot run here, with the remedy. */
export function findMissing() {
  if (process.arch !== 'x64')
    return `the virtual machine is made of files of this machine, and is x64; this is ${process.arch}`;
  const absent = Object.keys(PACKAGES).filter((program) => findProgram(program) === undefined);
  if (absent.length === 0) return undefined;
  const packages = [...new Set(absent.map((program) => PACKAGES[program]))].join(' ');
  return `${absent.join(', ')} not found: apt-get install -y --no-install-recommends ${packages}`;
}

export function findProgram(name) {
  return SEARCHED.map((directory) => join(directory, name)).find((path) => existsSync(path));
}
