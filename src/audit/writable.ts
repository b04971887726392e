import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { OTHERS, statusOf } from './modes.js';

const STICKY = 0o1000;

/** Of these, what everybody may change: the file itself, or a directory above, by which it could be another one. */
export function writableByAll(paths: readonly string[]): readonly string[] {
  const open = paths.flatMap((path) => [path, ...above(realpath(path))]).filter(isOpen);
  return [...new Set(open)];
}

function above(path: string): readonly string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [path, ...above(parent)];
}

/** In a directory with the sticky bit only owners replace what is there. */
function isOpen(path: string): boolean {
  const status = statusOf(path, { follow: false });
  if (status === undefined || status.isSymbolicLink() || (status.mode & OTHERS.write) === 0) return false;
  return !(status.isDirectory() && (status.mode & STICKY) !== 0);
}

function realpath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
