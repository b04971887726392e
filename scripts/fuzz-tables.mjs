// Damages Arrow files of all types and has what the check accepts read by pyarrow and by apache-arrow: `node scripts/fuzz-tables.mjs [N] [SEED]`,
// 20,000 by default. Files that they disagree about are kept.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const count = Number(process.argv[2] ?? '20000');
const seed = Number(process.argv[3] ?? '1');
const python = join(root, '.venv/bin/python');

if (existsSync(python)) await fuzz();
else console.log('skipped: no .venv with pyarrow: node scripts/setup-python.mjs');

async function fuzz() {
  const compiler = ['node_modules/typescript/bin/tsc', '-p', 'test'];
  if (spawnSync(process.execPath, compiler, { cwd: root, stdio: 'inherit' }).status !== 0) process.exit(1);
  const { fuzzTables, openReaders, writeTables } = await import('../build/test/helpers/arrow-fuzz.js');
  const directory = mkdtempSync(join(tmpdir(), 'spawn-sandbox-fuzz-'));
  const readers = openReaders(python);
  const started = Date.now();
  const tables = writeTables(python, directory);
  const outcome = await fuzzTables(tables, readers, { count, seed, directory });
  for (const reader of Object.values(readers)) reader.close();
  const seconds = Math.round((Date.now() - started) / 1000);
  for (const disagreement of outcome.disagreements) console.log(disagreement);
  const { accepted, refused, unknownToJavaScript, slowest, disagreements } = outcome;
  console.log(`${count} damaged files of ${tables.length} tables, seed ${seed}, ${seconds} s`);
  console.log(`${accepted} accepted (${unknownToJavaScript} unknown to apache-arrow), ${refused} refused`);
  console.log(`slowest check ${Math.round(slowest)} ms, ${disagreements.length} disagreements`);
  if (disagreements.length === 0) rmSync(directory, { recursive: true });
  else process.exitCode = 1;
}
