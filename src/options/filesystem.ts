import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { expectArray, expectObject, expectText, invalidOption, notYet } from './check.js';
import { show } from '../show.js';

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
  /** Writable inside, unchanged outside. Not carried out yet: `ERR_NOT_YET`. @default [] */
  readonly overlay?: readonly Mount[];
  /** Paths inside that look empty. Not carried out yet: `ERR_NOT_YET`. @default [] */
  readonly hide?: readonly string[];
  /** Paths below writable ones that stay read-only. Not carried out yet: `ERR_NOT_YET`. @default [] */
  readonly protect?: readonly string[];
  /** Another root in place of the host's `/usr`. Not carried out yet: `ERR_NOT_YET`. */
  readonly root?: string;
  /** Where scratch lies. `'disk'` is not carried out yet: `ERR_NOT_YET`. @default 'memory' */
  readonly scratchOn?: 'memory' | 'disk';
}

/** A mount with nothing left open. */
export interface ResolvedMount {
  readonly source: string;
  readonly target: string;
  readonly writable: boolean;
  readonly optional: boolean;
}

const KEYS = ['readOnly', 'writable', 'overlay', 'hide', 'protect', 'root', 'scratchOn'];
/** Trees that are made for each sandbox; a mount there could undo what they are made for. */
const RESERVED_TARGETS = ['/proc', '/dev', '/sys'];

export function resolveFilesystem(option: unknown): readonly ResolvedMount[] {
  const given = expectObject(option, 'filesystem', KEYS);
  for (const key of ['overlay', 'hide', 'protect']) {
    if (expectArray(given[key], `filesystem.${key}`).length > 0) throw notYet(`filesystem.${key}`);
  }
  if (given['root'] !== undefined) throw notYet('filesystem.root');
  if (given['scratchOn'] === 'disk') throw notYet("filesystem.scratchOn: 'disk'");
  if (given['scratchOn'] !== undefined && given['scratchOn'] !== 'memory') {
    throw invalidOption('filesystem.scratchOn', `must be 'memory' or 'disk', and is ${show(given['scratchOn'])}`);
  }
  const mounts = [
    ...resolveMounts(given['readOnly'], 'filesystem.readOnly', false),
    ...resolveMounts(given['writable'], 'filesystem.writable', true),
  ];
  refuseDuplicates(mounts);
  return outerFirst(mounts);
}

/** A mount hides what was mounted below its target before: the outer ones come first, whichever list they stand in. */
function outerFirst(mounts: readonly ResolvedMount[]): readonly ResolvedMount[] {
  const depth = ({ target }: ResolvedMount): number => target.split('/').length;
  return mounts.toSorted((a, b) => depth(a) - depth(b));
}

function resolveMounts(option: unknown, name: string, writable: boolean): readonly ResolvedMount[] {
  return expectArray(option, name).map((entry, index) => resolveMount(entry, `${name}[${index}]`, writable));
}

function resolveMount(entry: unknown, name: string, writable: boolean): ResolvedMount {
  const given =
    typeof entry === 'string' ? { source: entry } : expectObject(entry, name, ['source', 'target', 'optional']);
  const source = hostPath(expectText(given['source'], `${name}.source`));
  const target = given['target'] === undefined ? source : expectText(given['target'], `${name}.target`);
  const optional = given['optional'] ?? false;
  if (typeof optional !== 'boolean')
    throw invalidOption(`${name}.optional`, `must be true or false, and is ${show(optional)}`);
  return { source, target: checkTarget(target, `${name}.target`), writable, optional };
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
