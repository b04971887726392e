import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { RecentMap } from '../options/cache.js';
import type { ResolvedMount } from '../options/filesystem.js';
import { type BoundPath, exposeProgram } from './interpreter.js';
import { findInPath } from './lookup.js';
import { isInSystemTree } from './system-tree.js';

/** A command as the sandbox is to find it. */
export interface Command {
  /** What is executed: a name for the step's own PATH, or an absolute path inside. */
  readonly file: string;
  /** What must be visible for it besides the system tree, read-only. */
  readonly mounts: readonly BoundPath[];
  /** Directories that come first in the step's PATH. */
  readonly bins: readonly string[];
  /** Two commands with the same key need the same of their sandbox. */
  readonly key: string;
}

/** Nothing of the host's is needed for it. */
export const NO_COMMAND: Command = { file: '', key: '', mounts: [], bins: [] };

interface Remembered {
  readonly command: Command;
  readonly checked: number;
  /** Identifies the file that was found, to notice when another takes its place. */
  readonly stamp: string;
}

/** A program that is installed anew, or a pyenv version that changes, is noticed after this time. */
const RECHECK_AFTER_MS = 2000;

const remembered = new RecentMap<string, Remembered>(256);

/**
 * Finds out where a command lies on the host, and what has to be mounted for it to run inside. A Map lookup when the
 * same command was asked for in the last seconds.
 */
export function locateCommand(file: string, mounts: readonly ResolvedMount[]): Command {
  const path = process.env['PATH'] ?? '';
  const key = `${file}\0${path}\0${mounts.map((mount) => mount.target).join('\0')}`;
  const known = remembered.get(key);
  const now = performance.now();
  if (known !== undefined && now - known.checked < RECHECK_AFTER_MS) return known.command;
  const found = file.includes('/') ? absolute(file, mounts) : findInPath(file, path);
  const stamp = stampOf(found);
  const command = known?.stamp === stamp && !isShim(found) ? known.command : commandFor(file, found);
  // What is missing now may be there for the next step.
  if (found !== undefined) remembered.set(key, { command, checked: now, stamp });
  return command;
}

/** Nothing when the path is one inside the sandbox only: below a mount of the app's, or missing on the host. */
function absolute(file: string, mounts: readonly ResolvedMount[]): string | undefined {
  if (!file.startsWith('/')) return undefined;
  const path = resolve(file);
  const inMount = mounts.some(({ target }) => path === target || path.startsWith(`${target}/`));
  return inMount || !existsSync(path) ? undefined : path;
}

function commandFor(file: string, found: string | undefined): Command {
  if (found === undefined) return { file, mounts: [], bins: [], key: '' };
  const { program, mounts, bins } = exposeProgram(found);
  // A name found in the system tree is left to the step's own PATH: it is found there in the same place.
  const inside = isInSystemTree(program) && !file.includes('/') && inStepPath(program) ? file : program;
  return {
    file: inside,
    mounts,
    bins,
    key: [...mounts.map(({ source, target }) => `${source}\0${target}`), ...bins].join('\0'),
  };
}

function inStepPath(program: string): boolean {
  return /^\/(usr\/local\/bin|usr\/bin|bin)\/[^/]+$/.test(program);
}

function isShim(found: string | undefined): boolean {
  return found?.includes('/shims/') ?? false;
}

function stampOf(path: string | undefined): string {
  if (path === undefined) return '';
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? path : `${path}:${found.dev}:${found.ino}:${found.mtimeMs}`;
}
