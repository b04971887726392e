import type { BigIntStats } from 'node:fs';

/** What an entry of an overlay can be; `'other'` is a fifo, a socket or a device. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'other';

/** One entry of a directory, as it is or was. */
export interface Entry {
  /** What it is. */
  readonly type: EntryType;
  /** Permission bits, with the special ones. */
  readonly mode: number;
  /** Bytes of a file, and of where a link leads to; 0 for all else. */
  readonly size: number;
  /** Where a link leads to; what is not UTF-8 in it is replaced. */
  readonly link?: string;
}

/** What commands did to one path of an overlay. */
export interface Change {
  /** Whether it was not there before, is another, or is no more. */
  readonly kind: 'added' | 'modified' | 'deleted';
  /** Absolute, inside the sandbox. What is not UTF-8 in it is replaced: `bytes` has it exactly. */
  readonly path: string;
  /** The path as it is. */
  readonly bytes: Uint8Array;
  /** What it is inside; absent when it was deleted. */
  readonly now?: Entry;
  /** What it is outside; absent when it was added. */
  readonly before?: Entry;
  /** Whether what it contains, or where it leads to, is another, and not only its mode. */
  readonly content: boolean;
}

/** Where in an overlay a change is: names from its top on. */
export interface Located {
  readonly change: Change;
  readonly names: readonly Buffer[];
  /** Another once it is written to. */
  readonly written: string;
  /**
   * It was copied from an original, of this name or of another that it was renamed from, and there is none of this name. When that directory
   * was changed last, in nanoseconds: an original that was removed meanwhile was removed from it.
   */
  readonly missingSinceNs?: bigint;
  /** Outside: when its inode was changed last, in nanoseconds; absent when it is not there. */
  readonly changedNs?: bigint;
}

const MODE_BITS = 0o7777n;

/** A path as a key: a character for each byte. */
export function keyOf(path: Uint8Array): string {
  return Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('latin1');
}

/** Of the directory that it lies in. */
export function parentOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/'));
}

export function typeOf(status: BigIntStats): EntryType {
  if (status.isFile()) return 'file';
  if (status.isDirectory()) return 'directory';
  return status.isSymbolicLink() ? 'symlink' : 'other';
}

/** Of a directory only what a change of it can be: it changes with every name in it. */
export function writtenOf(status: BigIntStats): string {
  const { ino, ctimeNs, mode, size } = status;
  return status.isDirectory() ? `${mode}` : [ino, ctimeNs, mode, size].join(' ');
}

export function entryOf(status: BigIntStats, link?: Buffer): Entry {
  const type = typeOf(status);
  return {
    type,
    // Of a link it means nothing.
    mode: type === 'symlink' ? 0o777 : Number(status.mode & MODE_BITS),
    size: type === 'file' || type === 'symlink' ? Number(status.size) : 0,
    ...(link === undefined ? {} : { link: link.toString() }),
  };
}
