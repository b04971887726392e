// A repository as a host has it, with a secret in it and other files beside it; all of it made here, and removed at the end.
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function makeRepository() {
  const root = await mkdtemp(join(tmpdir(), 'agent-workspace-'));
  const [repository, outside] = ['repository', 'outside'].map((name) => join(root, name));
  const secret = randomUUID();
  await cp(join(import.meta.dirname, 'project'), repository, { recursive: true });
  git(repository, 'init', '--quiet');
  git(repository, 'add', '.');
  git(repository, 'commit', '--quiet', '--message', 'A bill is divided');
  await writeFile(join(repository, '.env'), `TOKEN=${secret}\n`);
  await mkdir(outside);
  await writeFile(join(outside, 'notes'), 'mine\n');
  // Not for their modes shall anything be refused.
  await chmod(root, 0o711);
  await chmod(outside, 0o777);
  await chmod(join(outside, 'notes'), 0o666);
  return { repository, outside, secret, remove: () => rm(root, { recursive: true, maxRetries: 3 }) };
}

/** Without the settings and hooks of whoever runs the example. */
function git(repository, ...args) {
  const identity = ['-c', 'user.name=Example', '-c', 'user.email=example@example.com'];
  const env = { PATH: process.env.PATH, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
  execFileSync('git', ['-C', repository, ...identity, ...args], { env });
}
