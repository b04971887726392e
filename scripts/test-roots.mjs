// Runs the tests of whole roots on a Debian that debootstrap makes for it, and removes it again. Needs root and the network; says so where it has not.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

if (process.geteuid() !== 0 || spawnSync('debootstrap', ['--version']).error !== undefined) {
  console.log('skipped: debootstrap (apt-get install -y debootstrap) and root are needed');
  process.exit(0);
}
const directory = mkdtempSync(join(tmpdir(), 'spawn-sandbox-root-'));
try {
  chmodSync(directory, 0o755);
  const root = join(directory, 'debian');
  run('debootstrap', ['--variant=minbase', '--include=python3-minimal', 'bookworm', root]);
  run(process.execPath, ['scripts/test.mjs', 'integration/roots'], { SPAWN_SANDBOX_DEBIAN_ROOT: root });
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function run(file, args, env = {}) {
  const { status, error } = spawnSync(file, args, {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 20 * 60_000,
  });
  if (status !== 0) throw new Error(`${file}: ${error?.message ?? `status ${status}`}`);
}
