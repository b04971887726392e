import { ImageProblem, named } from './problem.js';
import type { TarHeader } from './tar.js';

const LONGEST_NAME = 255;
/** Whoever else is on the host could change what all sandboxes run. */
const MODES = 0o755;
const LONGEST_TARGET = 4095;
export const MOST_DEPTH = 100;
const WHITEOUT = Buffer.from('.wh.');
/** Of the file system that whiteouts come from; only one of these says something of the image. */
const INTERNAL = Buffer.from('.wh..wh.');
const OPAQUE = Buffer.from('.wh..wh..opq');
const SLASH = '/'.charCodeAt(0);

/** What an archive says is at a path, checked but for where the path leads. */
export interface ImageEntry {
  readonly kind: 'file' | 'directory' | 'symlink' | 'link' | 'special' | 'whiteout' | 'opaque';
  /** From the root on; the last is what is removed for a whiteout, and the directory itself for an opaque one. None: the root. */
  readonly names: readonly Buffer[];
  readonly mode: number;
  /** Seconds. */
  readonly time: number;
  readonly size: number;
  /** Where a symbolic link leads. */
  readonly target: Buffer;
  /** What else a hard link is named. */
  readonly targetNames: readonly Buffer[];
}

/** Nothing for what is passed over. */
export function entryOf(header: TarHeader): ImageEntry | undefined {
  const pax = header.pax ?? {};
  const path = bytesOf(header.name, pax['path']);
  const names = namesOf(path);
  if (names.some((name) => startsWith(name, INTERNAL) && !name.equals(OPAQUE))) return undefined;
  if (names.slice(0, -1).some((name) => startsWith(name, WHITEOUT)))
    throw new ImageProblem(`entry ${named(path)} is in what is no directory`);
  if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse.'))) throw sparse(path);
  const target = bytesOf(header.linkname ?? '', pax['linkpath']);
  const common = {
    names,
    mode: Number.isInteger(header.mode) ? header.mode & MODES : 0,
    time: timeOf(header, pax['mtime']),
    size: header.size,
    target,
    targetNames: [],
  };
  const last = names.at(-1);
  if (last !== undefined && startsWith(last, WHITEOUT)) return whiteout({ ...common, kind: 'whiteout' }, last, path);
  const kind = kindOf(header.type, path);
  if (names.length === 0 && kind !== 'directory') throw new ImageProblem('the root is no directory');
  if (kind === 'symlink') checkTarget(target, path);
  return { ...common, kind, targetNames: kind === 'link' ? namesOf(target) : [] };
}

function whiteout(entry: ImageEntry, last: Buffer, path: Buffer): ImageEntry {
  const parent = entry.names.slice(0, -1);
  if (last.equals(OPAQUE)) return { ...entry, kind: 'opaque', names: parent };
  const hidden = last.subarray(WHITEOUT.length);
  if (['', '.', '..'].includes(hidden.toString('latin1')))
    throw new ImageProblem(`entry ${named(path)} removes what has no name`);
  return { ...entry, names: [...parent, hidden] };
}

function kindOf(type: TarHeader['type'], path: Buffer): ImageEntry['kind'] {
  switch (type) {
    case 'file':
    case 'contiguous-file':
      return 'file';
    case 'directory':
    case 'symlink':
    case 'link':
      return type;
    case 'character-device':
    case 'block-device':
    case 'fifo':
      return 'special';
    default:
      throw sparse(path);
  }
}

function sparse(path: Buffer): ImageProblem {
  const remedy = 'Make the layer without --sparse: the format of images advises against it.';
  return new ImageProblem(`entry ${named(path)} is of an unknown type, or a sparse file`, remedy);
}

/** Extended headers are decoded before we see them, as UTF-8. */
function bytesOf(name: string, extended: string | undefined): Buffer {
  if (extended === undefined || extended === '') return Buffer.from(name, 'latin1');
  if (extended.includes('\u{fffd}'))
    throw new ImageProblem(`entry ${named(extended)} has an extended header that is not UTF-8`);
  return Buffer.from(extended);
}

function namesOf(path: Buffer): readonly Buffer[] {
  if (path.includes(0)) throw new ImageProblem(`entry ${named(path)} has a NUL in its name`);
  const names = splitPath(path);
  if (names.some((name) => name.equals(UP))) throw new ImageProblem(`entry ${named(path)} leads out of the image`);
  if (names.length > MOST_DEPTH) throw new ImageProblem(`an entry is in more than ${MOST_DEPTH} directories`);
  if (names.some((name) => name.length > LONGEST_NAME))
    throw new ImageProblem(`entry ${named(path)} has a name of more than ${LONGEST_NAME} bytes`);
  return names;
}

export const UP = Buffer.from('..');
const HERE = Buffer.from('.');

/** Without what leads nowhere. */
export function splitPath(path: Buffer): readonly Buffer[] {
  const names: Buffer[] = [];
  for (let at = 0; at <= path.length;) {
    const slash = path.indexOf(SLASH, at);
    const end = slash < 0 ? path.length : slash;
    const name = path.subarray(at, end);
    if (name.length > 0 && !name.equals(HERE)) names.push(name);
    at = end + 1;
  }
  return names;
}

function checkTarget(target: Buffer, path: Buffer): void {
  if (target.length === 0 || target.length > LONGEST_TARGET || target.includes(0))
    throw new ImageProblem(`entry ${named(path)} is a link to what is no path`);
}

function timeOf({ mtime }: TarHeader, extended: string | undefined): number {
  const exact = extended === undefined ? NaN : Number(extended);
  const seconds = Number.isFinite(exact) ? exact : mtime.getTime() / 1000;
  // What no file system can keep is as good as none.
  return Number.isFinite(seconds) && Math.abs(seconds) < 2 ** 33 ? seconds : 0;
}

function startsWith(name: Buffer, start: Buffer): boolean {
  return name.subarray(0, start.length).equals(start);
}
