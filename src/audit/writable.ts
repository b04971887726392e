import { lstatSync, realpathSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';

const OF_ALL = 0o002;
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
  const status = statusOf(path);
  if (status === undefined || status.isSymbolicLink() || (status.mode & OF_ALL) === 0) return false;
  return !(status.isDirectory() && (status.mode & STICKY) !== 0);
}

/** Nothing of what is not there, or lies behind a directory that is closed to us: then it is closed to others, too. */
function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function realpath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
