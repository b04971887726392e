// A kernel that Debian does not build: of its source package, small, with all that a guest needs built in, and with core scheduling. Takes some minutes,
// once; needs what kernels are built with.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../../scripts/find-program.mjs';
import { ROOT } from './paths.mjs';

const SOURCE = 'linux-source-6.1';
const OPTIONS = join(ROOT, 'test/qemu/kernel.config');
/** Debian packages by the program or file that is looked for. */
const NEEDED = {
  make: 'make',
  gcc: 'gcc',
  flex: 'flex',
  bison: 'bison',
  bc: 'bc',
  xz: 'xz-utils',
  '/usr/include/libelf.h': 'libelf-dev',
};

/** Its image; calls `refuse` with the remedy when it cannot be built. */
export function buildKernel(target, refuse) {
  const image = join(target.cache, 'built/bzImage');
  if (existsSync(image)) return image;
  const absent = Object.keys(NEEDED).filter((name) =>
    name.startsWith('/') ? !existsSync(name) : findProgram(name) === undefined,
  );
  if (absent.length > 0) {
    refuse(
      `${absent.join(', ')} not found: apt-get install -y --no-install-recommends ${absent.map((name) => NEEDED[name]).join(' ')}`,
    );
  }
  const place = join(target.cache, 'built.new');
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  const must = (program, args, cwd) => {
    const { status, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
    if (status !== 0) refuse(`${program} ${args.join(' ')} failed: ${stderr.trim().split('\n').at(-1)}`);
  };
  must('apt-get', ['download', '-o', 'APT::Sandbox::User=root', SOURCE], place);
  const [archive] = readdirSync(place).filter((name) => name.endsWith('.deb'));
  must('dpkg-deb', ['-x', archive, '.'], place);
  must('tar', ['-xJf', `usr/src/${SOURCE}.tar.xz`], place);
  const tree = join(place, SOURCE);
  must('make', ['-s', 'tinyconfig'], tree);
  must('sh', ['scripts/kconfig/merge_config.sh', '-m', '.config', OPTIONS], tree);
  must('make', ['-s', 'olddefconfig'], tree);
  must('make', ['-s', `-j${availableParallelism()}`, 'bzImage'], tree);
  copyFileSync(join(tree, 'arch/x86/boot/bzImage'), join(place, 'bzImage'));
  for (const name of readdirSync(place)) if (name !== 'bzImage') rmSync(join(place, name), { recursive: true });
  renameSync(place, join(target.cache, 'built'));
  return image;
}
