// Runs the tests that need the spawner once more with a spawner built under the address and undefined-behaviour sanitizers.
import { spawnSync } from 'node:child_process';
import { copyFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const shipped = join(root, 'native/build/spawner');
const aside = join(root, 'native/build/spawner.shipped');
const sanitized = join(root, 'build/sanitize/spawner');

run('make', [
  '-C',
  'native',
  '--no-print-directory',
  'SANITIZE=address,undefined',
  'BUILD=../build/sanitize',
  '../build/sanitize/spawner',
]);
renameSync(shipped, aside);
try {
  copyFileSync(sanitized, shipped);
  process.exitCode = run(process.execPath, ['scripts/test.mjs', 'integration/', 'security/portable'], {
    allowFailure: true,
  });
} finally {
  renameSync(aside, shipped);
}

function run(command, args, { allowFailure = false } = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status === 0 || allowFailure) return status ?? 1;
  console.error(`${command} ${args.join(' ')} ended with ${error?.message ?? status}`);
  process.exit(1);
}
