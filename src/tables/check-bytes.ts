import { BatchCheck } from './batch.js';
import { Effort } from './effort.js';
import { columnsWithoutNulls, compareColumns } from './expected.js';
import type { Field, Schema } from './field.js';
import { readFooter } from './footer.js';
import type { Limits } from './limits.js';
import {
  type BatchHeader,
  type Block,
  HEADER,
  type Message,
  readBatchHeader,
  readMessage,
  VERSION_4,
} from './message.js';
import { quoted } from '../quoted.js';
import { Refusal } from './refusal.js';
import type { ArrowSummary } from './report.js';
import { type Views, viewsOf } from './views.js';

/** What is known of the file while its batches are read. */
interface Reading {
  readonly views: Views;
  readonly schema: Schema;
  readonly hasUnions: boolean;
  readonly limits: Limits;
  readonly effort: Effort;
  /** Values of each dictionary so far. */
  readonly lengths: Map<number, number>;
  readonly withoutNulls: ReadonlySet<string>;
}

/**
 * Checks an Arrow IPC file to its last value. Pure: it reads `bytes` and nothing else, allocates by what is really there, and its work is
 * bounded by a multiple of their number.
 *
 * @param effort of reading it afterwards: it is refused if that would be too much
 * @throws Refusal for whatever is wrong with it
 */
export function checkArrowBytes(bytes: Uint8Array, limits: Limits, effort = new Effort(Infinity)): ArrowSummary {
  if (bytes.length > limits.maxBytes) {
    throw new Refusal('file', `it has ${bytes.length} bytes; ${limits.maxBytes} are allowed (maxBytes)`);
  }
  const views = viewsOf(bytes);
  const { schema, dictionaries, batches } = readFooter(views.bytes, limits, effort);
  if (limits.schema !== undefined) compareColumns(schema.fields, limits.schema);
  const withoutNulls = columnsWithoutNulls(limits.schema);
  const reading: Reading = {
    views,
    schema,
    hasUnions: schema.fields.some(holdsUnion),
    limits,
    effort,
    withoutNulls,
    lengths: new Map(),
  };
  for (const block of dictionaries) checkDictionary(reading, block);
  let rows = 0;
  for (const block of batches) {
    rows += checkBatch(reading, block);
    if (rows > limits.maxRows) {
      throw new Refusal(block.where, `rows up to here are ${rows}; ${limits.maxRows} are allowed (maxRows)`);
    }
  }
  const columns = schema.fields.map(({ name, text, nullable }) => ({ name, type: text, nullable }));
  return { rows, columns, batches: batches.length, bytes: bytes.length };
}

function holdsUnion({ type }: Field): boolean {
  return type.layout === 'sparseUnion' || type.layout === 'denseUnion' || type.children.some(holdsUnion);
}

/** Unions of version 4 have bitmaps, and no two readers agree on them. */
function readBlock({ views, hasUnions }: Reading, block: Block, kind: number): Message {
  const message = readMessage(views.bytes, block, kind);
  if (message.version !== VERSION_4 || !hasUnions) return message;
  throw new Refusal(block.where, 'unions of version 4 of the format cannot be checked', 'Write the file in version 5.');
}

const DICTIONARY = { id: 0, data: 1, isDelta: 2 };

/** What is below may have grown since the first part was written, so readers do not put such parts together. */
function holdsDictionary({ type, dictionary }: Field): boolean {
  return dictionary !== undefined || type.children.some(holdsDictionary);
}

/** A file has each dictionary once; a delta adds to it. */
function checkDictionary(reading: Reading, block: Block): void {
  const { header } = readBlock(reading, block, HEADER.dictionary);
  const id = header.long(DICTIONARY.id);
  const field = reading.schema.dictionaries.get(id);
  if (field === undefined) throw new Refusal(block.where, `no column has a dictionary ${id}`);
  const known = reading.lengths.get(id);
  const isDelta = header.bool(DICTIONARY.isDelta);
  if (!isDelta && known !== undefined) throw new Refusal(block.where, `dictionary ${id} is in the file twice`);
  if (isDelta && known === undefined)
    throw new Refusal(block.where, `it adds to dictionary ${id}, which was not there`);
  if (isDelta && field.type.children.some(holdsDictionary)) {
    throw new Refusal(block.where, `it adds to dictionary ${id}, whose values have dictionaries below them`);
  }
  const data = readBatchHeader(header.required(DICTIONARY.data, 'the values'));
  reading.effort.dictionary(block.where, id, data);
  const check = batchCheck(reading, block, data);
  check.dictionaryValues(field);
  check.finish();
  reading.lengths.set(id, (known ?? 0) + data.rows);
}

function checkBatch(reading: Reading, block: Block): number {
  const { header } = readBlock(reading, block, HEADER.batch);
  const data = readBatchHeader(header);
  reading.effort.batch(block.where, data);
  if (data.rows > reading.limits.maxRows) {
    throw new Refusal(block.where, `it has ${data.rows} rows; ${reading.limits.maxRows} are allowed (maxRows)`);
  }
  const check = batchCheck(reading, block, data);
  for (const field of reading.schema.fields) {
    const nulls = check.column(field);
    if (nulls > 0 && reading.withoutNulls.has(field.name)) {
      throw new Refusal(`${block.where}, column ${quoted(field.path)}`, `${nulls} values are null, and none may be`);
    }
  }
  check.finish();
  return data.rows;
}

function batchCheck({ views, limits, lengths }: Reading, block: Block, header: BatchHeader): BatchCheck {
  const body = { at: block.offset + block.metadataBytes, size: block.bodyBytes };
  return new BatchCheck(views, header, body, block.where, limits, lengths);
}
