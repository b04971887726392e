import { Flatbuffer, type Table, type Vector } from './flatbuffer.js';
import { Refusal } from './refusal.js';
import { readMetadata } from './schema.js';

/** A message of the file as the footer places it. */
export interface Block {
  readonly where: string;
  readonly offset: number;
  readonly metadataBytes: number;
  readonly bodyBytes: number;
}

export interface Message {
  readonly header: Table;
  readonly version: number;
  readonly bodyBytes: number;
}

/** What a record batch, or the values of a dictionary, say of themselves. */
export interface BatchHeader {
  readonly rows: number;
  /** Pairs of 64 bits: length, nulls. */
  readonly nodes: Vector;
  /** Pairs of 64 bits: offset in the body, length. */
  readonly buffers: Vector;
  /** For each column of views: how many buffers of data it has. */
  readonly variadic: Vector;
  readonly metadata: Flatbuffer;
}

/** Numbers in the format's union of headers. */
export const HEADER = { schema: 1, dictionary: 2, batch: 3 };

/** Versions 4 and 5 differ in unions only. */
export const VERSION_4 = 3;
const VERSION_5 = 4;

const NAMES: Readonly<Record<number, string>> = { 1: 'a schema', 2: 'a dictionary', 3: 'a record batch' };
const MESSAGE = { version: 0, kind: 1, header: 2, bodyBytes: 3, metadata: 4 };
const BATCH = { rows: 0, nodes: 1, buffers: 2, compression: 3, variadic: 4 };
const CODECS = ['LZ4_FRAME', 'ZSTD'];
/** A marker of four bytes 255, and the length of the metadata. */
export const PREFIX_BYTES = 8;

/** Bytes of the message at `offset` up to its body, the prefix included. `end` is where the message must have ended. */
export function metadataBytes(bytes: Uint8Array, offset: number, end: number, where: string): number {
  if (offset > end - PREFIX_BYTES) throw new Refusal(where, 'the message is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(offset, true) !== 0xffff_ffff)
    throw new Refusal(where, 'there is no message where one must begin');
  const length = view.getInt32(offset + 4, true);
  if (length <= 0 || length > end - offset - PREFIX_BYTES) throw new Refusal(where, 'the message is cut off');
  if (length % 8 !== 0) throw new Refusal(where, 'the length of its metadata is not a multiple of 8');
  return length + PREFIX_BYTES;
}

export function readMessage(bytes: Uint8Array, block: Block, kind: number): Message {
  const { where, offset } = block;
  const end = offset + block.metadataBytes;
  if (metadataBytes(bytes, offset, end, where) !== block.metadataBytes) {
    throw new Refusal(where, 'the footer gives its metadata another length');
  }
  const message = new Flatbuffer(bytes, offset + PREFIX_BYTES, end, where).root();
  const version = message.short(MESSAGE.version, 0);
  requireKnownVersion(version, where);
  const found = message.byte(MESSAGE.kind, 0);
  if (found !== kind) {
    throw new Refusal(where, `${NAMES[kind] ?? ''} must be here, and it is ${NAMES[found] ?? `header ${found}`}`);
  }
  readMetadata(message, MESSAGE.metadata);
  const bodyBytes = message.long(MESSAGE.bodyBytes);
  if (bodyBytes !== block.bodyBytes) throw new Refusal(where, 'the footer gives its body another length');
  return { header: message.required(MESSAGE.header, 'the header'), version, bodyBytes };
}

/** @throws Refusal unless `version` is one whose files can be read; each message has its own, and so has the footer. */
export function requireKnownVersion(version: number, where: string): void {
  if (version === VERSION_4 || version === VERSION_5) return;
  throw new Refusal(where, `version ${version + 1} of the format; 4 and 5 are known`);
}

export function readBatchHeader(header: Table): BatchHeader {
  const compression = header.table(BATCH.compression);
  if (compression !== undefined) throw compressed(header, compression);
  const rows = header.long(BATCH.rows);
  if (!header.has(BATCH.nodes) || !header.has(BATCH.buffers))
    throw header.buffer.refusal('its nodes or buffers are missing');
  if (rows < 0) throw header.buffer.refusal(`it has ${rows} rows`);
  return {
    rows,
    nodes: header.vector(BATCH.nodes, 16, 8),
    buffers: header.vector(BATCH.buffers, 16, 8),
    variadic: header.vector(BATCH.variadic, 8, 8),
    metadata: header.buffer,
  };
}

function compressed({ buffer }: Table, compression: Table): Refusal {
  const codec = compression.byte(0, 0);
  const where = buffer.refusal('').where;
  return new Refusal(
    where,
    `its body is compressed (${CODECS[codec] ?? `codec ${codec}`})`,
    'Write the file without compression: what a compressed table becomes cannot be bounded before it is unpacked.',
  );
}
