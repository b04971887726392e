import { type Dirent, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { MountMessage } from '../spawner/messages.js';
import { bindReadOnly, directory, file, symlink } from './mounts.js';

/** Bytes, all files of a directory together. */
const LARGEST = 128 * 1024;
const MOST_ENTRIES = 64;
const READABLE_BY_ALL = 0o004;
const ENTERED_BY_ALL = 0o005;

/**
 * Shows a path of the host at the same place inside. What is small is copied into the policy's root: a mount costs each
 * sandbox some 20 microseconds, and tells where it comes from.
 */
export function copyOrBind(path: string): readonly MountMessage[] {
  try {
    const budget = { bytes: LARGEST, entries: MOST_ENTRIES };
    const copied = statSync(path).isDirectory() ? copyDirectory(path, budget) : copyFile(path, budget);
    if (copied !== undefined) return copied;
  } catch {
    // Unreadable for the app, or just gone: the spawner decides.
  }
  return [bindReadOnly(path, undefined, { optional: true })];
}

interface Budget {
  bytes: number;
  entries: number;
}

/** Nothing when it is too large, or not for everybody to read. */
function copyDirectory(path: string, budget: Budget): readonly MountMessage[] | undefined {
  if ((statSync(path).mode & ENTERED_BY_ALL) !== ENTERED_BY_ALL) return undefined;
  const copied: MountMessage[] = [directory(path)];
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (--budget.entries < 0) return undefined;
    const below = copyEntry(join(path, entry.name), entry, budget);
    if (below === undefined) return undefined;
    copied.push(...below);
  }
  return copied;
}

function copyEntry(path: string, entry: Dirent, budget: Budget): readonly MountMessage[] | undefined {
  if (entry.isDirectory()) return copyDirectory(path, budget);
  if (entry.isSymbolicLink()) return [symlink(path, readlinkSync(path))];
  return entry.isFile() ? copyFile(path, budget) : undefined;
}

function copyFile(path: string, budget: Budget): readonly MountMessage[] | undefined {
  const { mode, size } = statSync(path);
  budget.bytes -= size;
  if ((mode & READABLE_BY_ALL) === 0 || budget.bytes < 0) return undefined;
  return [file(path, readFileSync(path))];
}
