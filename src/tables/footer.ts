import { Effort } from './effort.js';
import type { Schema } from './field.js';
import { Flatbuffer, type Table } from './flatbuffer.js';
import type { Limits } from './limits.js';
import { type Block, HEADER, metadataBytes, PREFIX_BYTES, readMessage, requireKnownVersion } from './message.js';
import { Refusal } from './refusal.js';
import { readMetadata, readSchema } from './schema.js';

/** What the footer says, once it was compared with what is there. */
export interface Footer {
  readonly schema: Schema;
  readonly dictionaries: readonly Block[];
  readonly batches: readonly Block[];
}

const MAGIC = [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31];
const END_OF_STREAM = [255, 255, 255, 255, 0, 0, 0, 0];
/** The magic and two bytes of padding. */
const HEAD_BYTES = 8;
/** The footer's length, and the magic. */
const TAIL_BYTES = 10;
const FOOTER = { version: 0, schema: 1, dictionaries: 2, batches: 3, metadata: 4 };
const BLOCK_BYTES = 24;

export function readFooter(bytes: Uint8Array, limits: Limits, effort = new Effort(Infinity)): Footer {
  const start = footerStart(bytes);
  const table = new Flatbuffer(bytes, start, bytes.length - TAIL_BYTES, 'footer').root();
  requireKnownVersion(table.short(FOOTER.version, 0), 'footer');
  const schema = readSchema(table.required(FOOTER.schema, 'the schema'), limits);
  readMetadata(table, FOOTER.metadata);
  effort.schema(schema, table.buffer);
  const dictionaries = readBlocks(table, FOOTER.dictionaries, 'dictionary batch', limits);
  const batches = readBlocks(table, FOOTER.batches, 'batch', limits);
  const blocks = [...dictionaries, ...batches];
  const leading = hasLeadingSchema(bytes, start, blocks);
  const first = leading ? checkLeadingSchema(bytes, start, schema, limits) : HEAD_BYTES;
  checkPlaces(blocks, first, start);
  return { schema, dictionaries, batches };
}

function footerStart(bytes: Uint8Array): number {
  if (bytes.length < HEAD_BYTES + TAIL_BYTES) throw new Refusal('file', 'it is too short for an Arrow file');
  if (!isMagic(bytes, 0)) throw new Refusal('file', "it does not begin with 'ARROW1'");
  if (!isMagic(bytes, bytes.length - MAGIC.length)) throw new Refusal('file', "it does not end with 'ARROW1'");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getInt32(bytes.length - TAIL_BYTES, true);
  const most = bytes.length - HEAD_BYTES - TAIL_BYTES;
  if (length <= 0 || length > most) throw new Refusal('footer', `its length is ${length}, and ${most} bytes are there`);
  return bytes.length - TAIL_BYTES - length;
}

function isMagic(bytes: Uint8Array, at: number): boolean {
  return MAGIC.every((byte, index) => bytes[at + index] === byte);
}

function readBlocks(table: Table, field: number, name: string, { maxBatches }: Limits): Block[] {
  const { at, count } = table.vector(field, BLOCK_BYTES, 8);
  if (count > maxBatches)
    throw new Refusal('footer', `it lists ${count} blocks; ${maxBatches} are allowed (maxBatches)`);
  const { buffer } = table;
  return Array.from({ length: count }, (_, index) => {
    const place = at + index * BLOCK_BYTES;
    return {
      where: `${name} ${index}`,
      offset: buffer.integer(place),
      metadataBytes: buffer.view.getInt32(place + 8, true),
      bodyBytes: buffer.integer(place + 16),
    };
  });
}

/** The package apache-arrow writes none: there the first batch or the end of the stream is in its place. */
function hasLeadingSchema(bytes: Uint8Array, end: number, blocks: readonly Block[]): boolean {
  if (end === HEAD_BYTES || blocks.some(({ offset }) => offset === HEAD_BYTES)) return false;
  return end < HEAD_BYTES + PREFIX_BYTES || !END_OF_STREAM.every((byte, index) => bytes[HEAD_BYTES + index] === byte);
}

/** The schema at the beginning must be the footer's: readers of streams believe the one, readers of files the other. */
function checkLeadingSchema(bytes: Uint8Array, end: number, schema: Schema, limits: Limits): number {
  const where = 'schema message';
  const metadata = metadataBytes(bytes, HEAD_BYTES, end, where);
  const block = { where, offset: HEAD_BYTES, metadataBytes: metadata, bodyBytes: 0 };
  const leading = readSchema(readMessage(bytes, block, HEADER.schema).header, limits);
  if (leading.signature !== schema.signature) throw new Refusal(where, 'it differs from the schema in the footer');
  return HEAD_BYTES + metadata;
}

/** Each block lies between the leading schema and the footer, and no two share a byte. */
function checkPlaces(blocks: readonly Block[], first: number, end: number): void {
  for (const block of blocks) checkPlace(block, first, end);
  const ordered = blocks.toSorted((one, other) => one.offset - other.offset);
  for (const [index, block] of ordered.entries()) {
    const next = ordered[index + 1];
    if (next !== undefined && block.offset + block.metadataBytes + block.bodyBytes > next.offset) {
      throw new Refusal(block.where, `it overlaps ${next.where}`);
    }
  }
}

function checkPlace({ where, offset, metadataBytes: metadata, bodyBytes }: Block, first: number, end: number): void {
  if (offset % 8 !== 0 || metadata % 8 !== 0 || bodyBytes % 8 !== 0) {
    throw new Refusal(where, 'its place or length is not a multiple of 8');
  }
  if (offset < first || metadata <= PREFIX_BYTES || bodyBytes < 0)
    throw new Refusal(where, 'it has an impossible place');
  if (offset > end || metadata > end - offset || bodyBytes > end - offset - metadata) {
    throw new Refusal(where, 'it reaches into the footer or beyond the end of the file');
  }
}
