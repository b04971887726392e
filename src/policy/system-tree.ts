import { lstatSync, readlinkSync } from 'node:fs';
import type { MountMessage } from '../spawner/messages.js';
import { bindReadOnly, directory, symlink } from './mounts.js';

/** Where programs and libraries lie beside `/usr`: links into it on most systems, directories of their own on some. */
const ALIASES = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** `/usr` and its aliases, read-only. */
export function systemTree(): readonly MountMessage[] {
  return [bindReadOnly('/usr'), ...ALIASES.flatMap(alias)];
}

function alias(path: string): readonly MountMessage[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  return [found.isSymbolicLink() ? symlink(path, readlinkSync(path)) : bindReadOnly(path)];
}

/** Whether a path of the host is seen inside at the same place, whatever the options. */
export function isInSystemTree(path: string): boolean {
  return ['/usr', ...ALIASES].some((tree) => path === tree || path.startsWith(`${tree}/`));
}

/** Directories that programs expect to exist, empty. */
export function emptyDirectories(): readonly MountMessage[] {
  return [
    '/home',
    '/opt',
    '/srv',
    '/mnt',
    '/media',
    '/root',
    '/run',
    '/var',
    '/var/lib',
    '/var/cache',
    '/var/log',
    '/sys',
  ].map((path) => directory(path));
}
