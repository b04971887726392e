import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { nodeContender } from './node-contender.mjs';
import { spawned } from './spawned.mjs';

/** Bubblewrap with what its users typically ask for: every namespace, `/usr` read-only, fresh `/proc`, `/dev` and `/tmp`, no capability. */
export const BWRAP_FLAGS = [
  '--unshare-all',
  '--die-with-parent',
  '--new-session',
  '--cap-drop',
  'ALL',
  '--clearenv',
  '--setenv',
  'PATH',
  '/usr/bin:/bin',
  '--ro-bind',
  '/usr',
  '/usr',
  ...['/bin', '/sbin', '/lib', '/lib64'].flatMap(alias),
  '--proc',
  '/proc',
  '--dev',
  '/dev',
  '--tmpfs',
  '/tmp',
  '--chdir',
  '/tmp',
];

function alias(path) {
  if (!existsSync(path)) return [];
  return lstatSync(path).isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path];
}

/** Nothing where bubblewrap is not installed or does not start: the comparison is then left out, and said so. */
export async function bwrap() {
  const contender = nodeContender('bwrap', 'bwrap', () => spawned('bwrap', [...BWRAP_FLAGS, '/bin/true']));
  try {
    await contender.starts({ count: 1, concurrency: 1 });
    return contender;
  } catch (error) {
    console.error(`bwrap is left out: ${error.message}`);
    return undefined;
  }
}
