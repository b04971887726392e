// Generates classes from test/fixtures/messages/*.proto by the tools that users have. `node scripts/generate-fixtures.mjs` renews the
// types beside them; with a DIRECTORY, types and code are written there, which is what tests do.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const fixtures = join(root, 'test/fixtures/messages');
const directory = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'spawn-sandbox-fixtures-'));
const code = join(directory, 'generated.js');
const types = join(directory, 'generated.d.ts');
const schemas = ['shop.proto', 'legacy.proto'].map((name) => join(fixtures, name));

run('pbjs', ['-t', 'static-module', '-w', 'es6', '-r', 'fixtures', '-o', code, ...schemas]);
run('pbts', ['--no-comments', '-o', types, code]);
if (process.argv[2] === undefined) {
  copyFileSync(types, join(fixtures, 'generated.d.ts'));
  rmSync(directory, { recursive: true });
}

function run(tool, args) {
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules/protobufjs-cli/bin', tool), ...args], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(1);
}
