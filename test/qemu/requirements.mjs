import { findProgram } from '../../scripts/find-program.mjs';

/** The system's, whose files are where the guest's loader looks; others may come first in the PATH. */
export const PYTHON = '/usr/bin/python3';

/** Debian packages by the program that is looked for. */
function packagesFor({ emulator, emulatorPackage, compiler, compilerPackages, foreign }) {
  return {
    [emulator]: emulatorPackage,
    [compiler]: compilerPackages,
    'mkfs.ext4': 'e2fsprogs',
    'dpkg-deb': 'dpkg',
    'apt-get': 'apt',
    ...(foreign
      ? { npm: 'npm', make: 'make' }
      : { setpriv: 'util-linux', unshare: 'util-linux', ldd: 'libc-bin', [PYTHON]: 'python3' }),
  };
}

/** Why the tests cannot run here, with the remedy. */
export function findMissing(target) {
  if (process.arch !== 'x64') return `the virtual machines are made on x64, and this is ${process.arch}`;
  const wanted = packagesFor(target);
  const absent = Object.keys(wanted).filter((program) => findProgram(program) === undefined);
  if (absent.length === 0) return undefined;
  const packages = [...new Set(absent.map((program) => wanted[program]))].join(' ');
  return `${absent.join(', ')} not found: apt-get install -y --no-install-recommends ${packages}`;
}
