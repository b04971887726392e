import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import type { MountMessage } from '../spawner/messages.js';
import { bindReadOnly, directory, symlink } from './mounts.js';

/** Where programs and libraries lie beside `/usr`: links into it on most systems, directories of their own on some. */
const ALIASES = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** Loaders of programs for another ABI, where a machine has them: i386, x32, 32-bit arm. */
const FOREIGN_LOADERS = [
  '/lib/ld-linux.so.2',
  '/lib/ld-musl-i386.so.1',
  '/libx32/ld-linux-x32.so.2',
  '/lib/ld-linux-armhf.so.3',
  '/lib/ld-linux.so.3',
  '/lib/ld-musl-armhf.so.1',
];

/** `/usr` and its aliases, read-only. */
export function systemTree(): readonly MountMessage[] {
  return [bindReadOnly('/usr'), ...ALIASES.flatMap(alias), ...FOREIGN_LOADERS.filter(existsSync).map(hide)];
}

/**
 * The first call of a foreign program ends its sandbox. Such a program is not executable without its loader, and `ldd`,
 * which tries every loader that can be executed on every program, passes this one over.
 */
function hide(path: string): MountMessage {
  return bindReadOnly('/dev/null', path);
}

function alias(path: string): readonly MountMessage[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  return [found.isSymbolicLink() ? symlink(path, readlinkSync(path)) : bindReadOnly(path)];
}

/** The same as places of the host. */
export function systemPaths(): readonly string[] {
  return ['/usr', ...ALIASES.filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true)];
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
