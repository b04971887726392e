import { isUtf8 } from 'node:buffer';
import { encodeFrame, FRAME, Malformed } from './frames.js';
import type { FileStatus, FileType } from './types.js';

/** A file, a directory or whatever else, as it is sent both ways. What is in a directory follows it, one level deeper. */
export interface Entry {
  readonly type: FileType;
  readonly depth: number;
  readonly mode: number;
  readonly size: number;
  readonly mtimeMs: number;
  /** Empty at depth 0, else one component. */
  readonly name: Buffer;
  readonly target: Buffer;
}

const TYPES: readonly (FileType | undefined)[] = [
  undefined,
  'file',
  'directory',
  'link',
  'fifo',
  'socket',
  'device',
  'device',
];
const HEADER = 29;
const MOST_NAME = 255;
const MOST_TARGET = 4095;
const SLASH = 0x2f;

/** @throws Malformed for what could mislead who uses it: each of its words is the sandbox's */
export function decodeEntry(bytes: Buffer): Entry {
  if (bytes.length < HEADER) throw new Malformed('entry that is too short');
  const type = TYPES[bytes.readUInt8(0)];
  const nameLength = bytes.readUInt16LE(27);
  if (type === undefined) throw new Malformed('entry of unknown kind');
  if (nameLength > MOST_NAME || HEADER + nameLength > bytes.length)
    throw new Malformed('entry with a name that is too long');
  const depth = bytes.readUInt16LE(1);
  const name = bytes.subarray(HEADER, HEADER + nameLength);
  const target = bytes.subarray(HEADER + nameLength);
  if (depth === 0 ? name.length > 0 : !isComponent(name)) throw new Malformed('entry with a name that is none');
  if (target.length > MOST_TARGET || target.includes(0)) throw new Malformed('link that leads nowhere');
  if (type === 'link' ? target.length === 0 : target.length > 0)
    throw new Malformed('entry with a target that is none');
  const nanoseconds = bytes.readUInt32LE(23);
  return {
    type,
    depth,
    mode: bytes.readUInt32LE(3) & 0o7777,
    size: Number(bytes.readBigUInt64LE(7)),
    mtimeMs: Number(bytes.readBigInt64LE(15)) * 1000 + Math.floor(nanoseconds / 1e6),
    name,
    target,
  };
}

/** A name that means nothing but itself in the directory that it is used in. */
export function isComponent(name: Buffer): boolean {
  if (name.length === 0 || name.length > MOST_NAME || name.includes(SLASH) || name.includes(0)) return false;
  return !name.equals(DOT) && !name.equals(DOT_DOT);
}

const DOT = Buffer.from('.');
const DOT_DOT = Buffer.from('..');

/** Of what is copied in; the time of the last change does not go along. */
export function encodeEntry(
  entry: Omit<Entry, 'type' | 'size' | 'mtimeMs'> & { type: 'file' | 'directory' | 'link' },
): Buffer {
  const bytes = Buffer.alloc(HEADER + entry.name.length + entry.target.length);
  bytes.writeUInt8(TYPES.indexOf(entry.type), 0);
  bytes.writeUInt16LE(entry.depth, 1);
  bytes.writeUInt32LE(entry.mode, 3);
  bytes.writeUInt16LE(entry.name.length, 27);
  bytes.set(entry.name, HEADER);
  bytes.set(entry.target, HEADER + entry.name.length);
  return encodeFrame(FRAME.entry, bytes);
}

export function statusOf({ type, size, mode, mtimeMs, target }: Entry): FileStatus {
  return { type, size, mode, mtimeMs, ...(type === 'link' ? { target: textOrBytes(target) } : {}) };
}

export function textOrBytes(bytes: Buffer): string | Buffer {
  return isUtf8(bytes) ? bytes.toString() : Buffer.from(bytes);
}
