import { posix } from 'node:path';
import { SandboxError } from '../../errors.js';
import { leadsInside } from '../../host/leads-inside.js';
import { invalidOption } from '../../options/check.js';
import type { ResolvedRule } from '../../options/filesystem.js';
import { show } from '../../show.js';
import { keyOf, type Located, parentOf } from './change.js';
import { isAboveProtected, isProtected } from './protection.js';

/** What `sandbox.commit()` can be given. */
export interface CommitOptions {
  /** Whether symbolic links are kept that lead out of the overlay's directory. @default 'inside' */
  readonly links?: 'inside' | 'any';
}

/** Paths that somebody has chosen, and whether each was found. */
export class Selection {
  readonly #paths: ReadonlyMap<string, { found: boolean }>;

  /** @param base what relative paths are relative to; without it there are none */
  constructor(paths: readonly (string | Uint8Array)[], base: Buffer | undefined) {
    this.#paths = new Map(paths.map((path, index) => [normalized(path, base, `paths[${index}]`), { found: false }]));
  }

  /** Whether it, or a directory that it lies in, was chosen. */
  has(path: Uint8Array): boolean {
    const key = keyOf(path);
    for (let end = key.length; end > 0; end = key.lastIndexOf('/', end - 1)) {
      const chosen = this.#paths.get(key.slice(0, end));
      if (chosen === undefined) continue;
      chosen.found = true;
      return true;
    }
    return false;
  }

  /** @throws SandboxError `ERR_CHANGES` */
  checkAllFound(): void {
    for (const [key, { found }] of this.#paths) {
      const path = Buffer.from(key, 'latin1').toString();
      if (!found) {
        throw new SandboxError('ERR_CHANGES', `Nothing was changed at ${show(path)}.`, {
          path,
          remedy: 'Paths are those of changes(), or of directories that they lie in.',
        });
      }
    }
  }
}

function normalized(path: string | Uint8Array, base: Buffer | undefined, name: string): string {
  if (typeof path !== 'string' && !(path instanceof Uint8Array)) {
    throw invalidOption(name, `must be a path as text or bytes, and is ${show(path)}`);
  }
  const given = Buffer.from(path as Uint8Array).toString('latin1');
  if (given === '' || given.split('/').includes('..')) throw invalidOption(name, `must be a path without '..'`);
  if (!given.startsWith('/') && base === undefined) {
    throw invalidOption(name, 'must be absolute where there is more than one overlay');
  }
  const whole = given.startsWith('/') ? given : `${base?.toString('latin1') ?? ''}/${given}`;
  return posix.normalize(whole).replace(/(?<=.)\/$/, '');
}

/** @param withParents also new directories that what was chosen lies in */
export function select(
  all: readonly Located[],
  selection: Selection | undefined,
  { withParents = false } = {},
): readonly Located[] {
  if (selection === undefined) return all;
  const chosen = all.filter(({ change }) => selection.has(change.bytes));
  if (!withParents) return chosen;
  const wanted = new Set(chosen);
  const needed = new Set<string>();
  for (const { change } of chosen) {
    let key = parentOf(keyOf(change.bytes));
    for (; key !== '' && !needed.has(key); key = parentOf(key)) needed.add(key);
  }
  return all.filter(
    (located) => wanted.has(located) || (isNewDirectory(located) && needed.has(keyOf(located.change.bytes))),
  );
}

function isNewDirectory({ change: { now, before } }: Located): boolean {
  return now?.type === 'directory' && before?.type !== 'directory';
}

/** @throws SandboxError `ERR_CHANGES` for what is never kept */
export function checkKeepable(
  { change, names }: Located,
  rules: readonly ResolvedRule[],
  { links = 'inside' }: CommitOptions,
): void {
  const { path, now } = change;
  if (isProtected(Buffer.from(change.bytes), rules)) {
    throw notKept(path, 'filesystem.protect names it');
  }
  if (now !== undefined && isAboveProtected(Buffer.from(change.bytes), rules, now.type)) {
    throw notKept(path, 'filesystem.protect names something below it, and it is no directory');
  }
  if (now?.type === 'other') throw notKept(path, 'it is a fifo, a socket or a device');
  if (links === 'inside' && now?.link !== undefined && !leadsInside(Buffer.from(now.link), names.length)) {
    throw notKept(
      path,
      `it is a link that leads out, to ${show(now.link)}`,
      " Pass { links: 'any' } to keep such links.",
    );
  }
}

function notKept(path: string, reason: string, remedy = ''): SandboxError {
  return new SandboxError('ERR_CHANGES', `Cannot keep ${show(path)}: ${reason}.`, {
    path,
    remedy: `Choose other paths for commit().${remedy}`,
  });
}

export interface Original {
  readonly changedNs: bigint | undefined;
  readonly isDirectory: boolean;
  readonly since: bigint;
  /** When commit() wrote it, and when it wrote last to the directory that it lies in. */
  readonly kept: bigint | undefined;
  readonly parentKept: bigint | undefined;
}

/**
 * The kernel notes when an inode was changed last, and nobody can set that. Of a directory it tells nothing: it changes with every name in it.
 *
 * @throws SandboxError `ERR_CHANGE_CONFLICT`
 */
export function checkOriginal(
  { change, missingSinceNs }: Located,
  { changedNs, isDirectory, since, kept, parentKept }: Original,
): void {
  const isThere = changedNs !== undefined;
  if (isThere && isDirectory && (change.before ?? change.now)?.type === 'directory') return;
  if (isThere && !isDirectory && change.before !== undefined && (changedNs <= since || changedNs === kept)) return;
  const wasRemoved = missingSinceNs !== undefined && missingSinceNs > since && missingSinceNs !== parentKept;
  if (!isThere && !wasRemoved && (change.before === undefined || kept !== undefined)) return;
  throw new SandboxError(
    'ERR_CHANGE_CONFLICT',
    isThere
      ? 'Cannot keep a change: the original was changed after the sandbox was made.'
      : 'Cannot keep a change: the original was removed after the sandbox was made.',
    { path: change.path, remedy: 'Compare the two, and either leave this path out or put the original back.' },
  );
}
