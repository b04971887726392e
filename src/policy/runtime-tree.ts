import type { ResolvedUser } from '../options/user.js';
import type { MountMessage } from '../spawner/messages.js';
import { device, directory, proc, scratch, symlink } from './mounts.js';

const STICKY = 0o1777;

/** `/proc` and the few devices that ordinary programs open. */
export function kernelTree(): readonly MountMessage[] {
  return [
    proc(),
    directory('/dev'),
    ...['null', 'full', 'random', 'urandom', 'tty'].map((name) => device(`/dev/${name}`)),
    // It reads the same. The real one can be mapped, too: memory that nobody sees where no cgroup counts.
    device('/dev/zero', '/dev/full'),
    symlink('/dev/fd', '/proc/self/fd'),
    symlink('/dev/stdin', '/proc/self/fd/0'),
    symlink('/dev/stdout', '/proc/self/fd/1'),
    symlink('/dev/stderr', '/proc/self/fd/2'),
  ];
}

/** Where each sandbox mounts terminals of its own. */
export function terminalTree(): readonly MountMessage[] {
  return [directory('/dev/pts'), symlink('/dev/ptmx', 'pts/ptmx')];
}

/**
 * What the step can write by default: all of it one tmpfs, limited by `limits.scratch`. Each sandbox mounts it over its
 * copy of the tree, so where the app mounts something itself, there is none.
 *
 * @param taken where the app mounts something
 */
export function scratchTree({ home }: ResolvedUser, taken: readonly string[]): readonly MountMessage[] {
  const free = [
    scratch('/tmp', STICKY),
    scratch('/var/tmp', STICKY),
    // 0700: what is not sticky belongs to the step.
    scratch(home, 0o700),
  ].filter(({ target }) => !taken.includes(String(target)));
  // Memory to share, not a place for programs. First, and always there: the spawner looks at the space through it.
  return [scratch('/dev/shm', STICKY, { noExec: true }), ...free];
}
