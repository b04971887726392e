// Fuzzes the readers of the native core with libFuzzer and the sanitizers: `node scripts/fuzz.mjs [RUNS]`, 500,000 by default.
// The corpus starts from the vectors in proto/vectors and is kept in .cache/, so that a longer run goes on from the last one.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const runs = process.argv[2] ?? '500000';
const corpus = join(root, '.cache/fuzz-requests');
const program = join(root, 'build/fuzz-requests');

run(clang(), [
  '-std=gnu17',
  '-D_GNU_SOURCE',
  '-g',
  '-O1',
  '-fsanitize=fuzzer,address,undefined',
  '-fno-sanitize-recover=all',
  '-Inative',
  '-o',
  program,
  'test/native/fuzz-requests.c',
  'native/common/wire.c',
  'native/common/read_define.c',
  'native/common/read_request.c',
]);
seed();
run(program, [`-runs=${runs}`, '-max_len=4096', '-timeout=5', '-rss_limit_mb=1024', '-print_final_stats=1', corpus]);

function clang() {
  const found = ['clang-19', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (found === undefined) fail('clang is missing: apt-get install -y clang-19 libclang-rt-19-dev');
  return found;
}

function seed() {
  mkdirSync(corpus, { recursive: true });
  const vectors = join(root, 'proto/vectors');
  if (!existsSync(vectors)) return;
  for (const name of readdirSync(vectors).filter((file) => file.endsWith('.hex'))) {
    const text = readFileSync(join(vectors, name), 'utf8').replace(/#.*$/gm, '');
    writeFileSync(join(corpus, name.replace('.hex', '')), Buffer.from(text.replace(/\s+/g, ''), 'hex'));
  }
}

function run(command, args) {
  mkdirSync(join(root, 'build'), { recursive: true });
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) fail(`${command} ended with ${error?.message ?? status}`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
