import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { expectArray, expectObject, expectText, expectOneOf, invalidOption } from './check.js';
import { show } from '../show.js';
import { resolveRules } from './rules.js';

/** A file or directory of the host: the path itself, or where it is to be seen inside. */
export type Mount =
  | string
  | {
      /** Path on the host. `~` and relative paths are those of the app. */
      readonly source: string;
      /** Absolute path inside. @default the source */
      readonly target?: string;
      /** A missing source is skipped instead of being an error. @default false */
      readonly optional?: boolean;
    };

/** What a step sees of the host besides `/usr`, its own interpreter and a minimal `/etc`. */
export interface FilesystemOptions {
  /** Visible and not writable. @default [] */
  readonly readOnly?: readonly Mount[];
  /** Visible and writable. What the step writes belongs to the directory's owner, never to root. @default [] */
  readonly writable?: readonly Mount[];
  /**
   * Directories that are writable inside and unchanged outside: what is written goes to the scratch space (`limits.scratch`), and is gone
   * with the sandbox unless `sandbox.commit()` keeps it. File systems that are mounted below such a directory are not seen. @default []
   */
  readonly overlay?: readonly Mount[];
  /**
   * Paths that look empty inside: absolute ones, and others in every directory of `readOnly`, `writable` and `overlay`. A part of a path may be a
   * pattern (`*`, `?`, `[...]`), which also matches names that begin with a dot; `**` stands for any number of directories, and costs a walk over
   * them at every start. What several mounts show is hidden in all of them. A path is best given without links on the way: a step that may write can put
   * others there for the next one. Nothing in `/proc` can be hidden, and what is made or replaced later by others on the host is not. @default []
   */
  readonly hide?: readonly string[];
  /**
   * Paths that cannot be changed, replaced or removed inside, given as in `hide`; relative ones in every directory of `writable` and `overlay`. Below
   * a writable directory a path without a pattern must exist: nothing is ever made on the host to be protected. No link may lie on the way.
   * @default []
   */
  readonly protect?: readonly string[];
  /**
   * A directory of the host that is the sandbox's root, in place of the host's `/usr` and a minimal `/etc`: an unpacked system, as `debootstrap`
   * makes it. What is written to it goes to the scratch space; `/proc`, `/dev`, `/tmp` and the accounts are the sandbox's own.
   * @default none
   */
  readonly root?: string;
  /**
   * Where scratch lies. On `'disk'` it may be larger than memory: an ext4 of each sandbox's own in a file without a name, below
   * `scratchDirectory` of `configureSpawner()`, whose room is taken at once. That needs an app with root, loop devices and `mke2fs`; else the step
   * fails with `ERR_SCRATCH`. @default 'memory'
   */
  readonly scratchOn?: 'memory' | 'disk';
}

/** A mount with nothing left open. */
export interface ResolvedMount {
  readonly source: string;
  readonly target: string;
  readonly access: MountAccess;
  readonly optional: boolean;
}

export type MountAccess = 'readOnly' | 'writable' | 'overlay';

/** One path or pattern, where it applies. */
export interface ResolvedRule {
  readonly pattern: string;
  /** So many characters of it are a path as it is. */
  readonly literal: number;
  readonly hide: boolean;
  readonly mustExist: boolean;
}

export interface ResolvedFilesystem {
  readonly mounts: readonly ResolvedMount[];
  readonly rules: readonly ResolvedRule[];
  readonly root: string | undefined;
  readonly scratchOnDisk: boolean;
}

const ACCESSES = ['readOnly', 'writable', 'overlay'] as const;
const KEYS = ['readOnly', 'writable', 'overlay', 'hide', 'protect', 'root', 'scratchOn'];
/** Trees that are made for each sandbox; a mount there could undo what they are made for. */
const RESERVED_TARGETS = ['/proc', '/dev', '/sys', '/.covers', '/.root'];

export function resolveFilesystem(option: unknown): ResolvedFilesystem {
  const given = expectObject(option, 'filesystem', KEYS);
  const mounts = ACCESSES.flatMap((access) => resolveMounts(given[access], `filesystem.${access}`, access));
  refuseDuplicates(mounts);
  return {
    mounts: outerFirst(mounts),
    rules: resolveRules(given['hide'], given['protect'], mounts),
    root: given['root'] === undefined ? undefined : hostPath(expectText(given['root'], 'filesystem.root')),
    scratchOnDisk: expectOneOf(given['scratchOn'] ?? 'memory', 'filesystem.scratchOn', ['memory', 'disk']) === 'disk',
  };
}

/** A mount hides what was mounted below its target before: the outer ones come first, whichever list they stand in. */
function outerFirst(mounts: readonly ResolvedMount[]): readonly ResolvedMount[] {
  const depth = ({ target }: ResolvedMount): number => target.split('/').length;
  return mounts.toSorted((a, b) => depth(a) - depth(b));
}

function resolveMounts(option: unknown, name: string, access: MountAccess): readonly ResolvedMount[] {
  return expectArray(option, name).map((entry, index) => resolveMount(entry, `${name}[${index}]`, access));
}

function resolveMount(entry: unknown, name: string, access: MountAccess): ResolvedMount {
  const given =
    typeof entry === 'string' ? { source: entry } : expectObject(entry, name, ['source', 'target', 'optional']);
  const source = hostPath(expectText(given['source'], `${name}.source`));
  const target = given['target'] === undefined ? source : expectText(given['target'], `${name}.target`);
  const optional = given['optional'] ?? false;
  if (typeof optional !== 'boolean')
    throw invalidOption(`${name}.optional`, `must be true or false, and is ${show(optional)}`);
  return { source, target: checkTarget(target, `${name}.target`), access, optional };
}

/** A path of the app's: `~` is its home, and relative is relative to its working directory. */
export function hostPath(path: string): string {
  if (path === '~') return homedir();
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : resolve(path);
}

function checkTarget(target: string, name: string): string {
  if (!isAbsolute(target)) throw invalidOption(name, `must be an absolute path, and is ${show(target)}`);
  if (target.split('/').includes('..')) throw invalidOption(name, `must not contain '..', and is ${show(target)}`);
  const path = resolve(target);
  if (path === '/') throw invalidOption(name, 'must not be the root');
  const reserved = RESERVED_TARGETS.find((tree) => path === tree || path.startsWith(`${tree}/`));
  if (reserved !== undefined)
    throw invalidOption(name, `must not lie in ${reserved}, which is made for each sandbox: ${show(path)}`);
  return path;
}

function refuseDuplicates(mounts: readonly ResolvedMount[]): void {
  const seen = new Set<string>();
  for (const { target } of mounts) {
    if (seen.has(target)) throw invalidOption('filesystem', `mounts more than one source at ${show(target)}`);
    seen.add(target);
  }
}
