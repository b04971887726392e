// What `npm pack` puts into the package, so that users need no compiler: the native programs for x64 and arm64, in native/prebuilt/, with
// their sums in SHA256SUMS. The same sources and compiler give the same bytes, wherever it is run. `node scripts/prebuild.mjs DIRECTORY`
// writes elsewhere.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from './find-program.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const place = resolve(process.argv[2] ?? join(root, 'native/prebuilt'));

/** By Node's name: the compiler on Debian, also where it is another machine's. */
const COMPILERS = { x64: 'x86_64-linux-gnu-gcc', arm64: 'aarch64-linux-gnu-gcc' };
const PACKAGES = {
  x64: 'gcc-x86-64-linux-gnu libc6-dev-amd64-cross',
  arm64: 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross',
};
const PROGRAMS = ['spawner', 'prober', 'addon.node', 'zygote-python.so', 'zygote-node.node', 'zygote.a'];
/** For zygotes that users write in C. */
const HEADER = 'native/zygote/zygote.h';

rmSync(place, { recursive: true, force: true });
const files = Object.keys(COMPILERS).flatMap(build);
mkdirSync(join(place, 'include'), { recursive: true });
cpSync(join(root, HEADER), join(place, 'include/zygote.h'));
const sums = [...files, 'include/zygote.h'].sort().map((file) => `${sumOf(join(place, file))}  ${file}`);
writeFileSync(join(place, 'SHA256SUMS'), `${sums.join('\n')}\n`);
console.log(`prebuild: ${files.length} files for ${Object.keys(COMPILERS).join(' and ')} in ${place}`);

function build(arch) {
  const compiler = COMPILERS[arch];
  if (findProgram(compiler) === undefined) {
    console.error(`prebuild: ${compiler} not found: apt-get install -y ${PACKAGES[arch]}`);
    process.exit(1);
  }
  const work = mkdtempSync(join(tmpdir(), 'spawn-sandbox-prebuild-'));
  try {
    const flags = [`CC=${compiler}`, `BUILD=${work}`, 'REPRODUCIBLE=1'];
    const { status } = spawnSync('make', ['-C', 'native', '--no-print-directory', '--silent', '--jobs=2', ...flags], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (status !== 0) process.exit(1);
    const name = `linux-${arch}`;
    mkdirSync(join(place, name), { recursive: true });
    for (const program of PROGRAMS) cpSync(join(work, program), join(place, name, program));
    return PROGRAMS.map((program) => join(name, program));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function sumOf(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
