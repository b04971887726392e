import { byte, type Cell, flatbuffer, int, long, longs, short, table, tables, text } from './flatbuffer-writer.js';

/** What a field is besides its type. */
export interface FieldMore {
  readonly parameters?: readonly (Cell | undefined)[];
  readonly children?: readonly Cell[];
  readonly dictionary?: Cell;
  readonly metadata?: readonly Cell[];
  readonly nullable?: boolean;
}

/** @param kind the number of the type in the format */
export function field(name: string, kind: number, more: FieldMore = {}): Cell {
  const { parameters = [], children = [], dictionary, metadata, nullable = true } = more;
  return table(
    text(name),
    byte(nullable ? 1 : 0),
    byte(kind),
    table(...parameters),
    dictionary,
    tables(...children),
    metadata === undefined ? undefined : tables(...metadata),
  );
}

/** Of signed integers. */
export const integer = (name: string, bits: number, more: FieldMore = {}): Cell =>
  field(name, 2, { ...more, parameters: [int(bits), byte(1)] });

/** Of 32-bit indices. */
export const dictionary = (id: number, bits = 32): Cell => table(long(id), table(int(bits), byte(1)));

/** One batch: nodes as pairs of length and nulls, and the content of its buffers. */
export interface Batch {
  readonly rows: number;
  readonly nodes?: readonly number[];
  readonly buffers?: readonly Uint8Array[];
  /** Pairs of offset and length, instead of those that are right. */
  readonly places?: readonly number[];
  readonly variadic?: readonly number[];
  readonly compression?: Cell;
  /** It is the values of this dictionary. */
  readonly dictionary?: number;
  readonly isDelta?: boolean;
}

/** A file, right but for what its parts have wrong. */
export interface File {
  readonly fields: readonly Cell[];
  readonly batches?: readonly Batch[];
  readonly version?: number;
  readonly endianness?: number;
  /** Instead of the schema of the footer. */
  readonly leading?: Cell;
  /** Changes numbers of the footer's blocks: offset, bytes of metadata, bytes of the body. */
  readonly blocks?: (blocks: number[][]) => void;
}

const VERSION_5 = 4;

export function arrowFile(file: File): Uint8Array {
  const { fields, batches = [], version = VERSION_5, endianness = 0 } = file;
  const schema = table(short(endianness), tables(...fields));
  const parts: Uint8Array[] = [Buffer.from('ARROW1\0\0')];
  const end = (): number => parts.reduce((sum, part) => sum + part.length, 0);
  parts.push(message(version, 1, file.leading ?? schema, 0));
  const blocks = batches.map((batch) => {
    const body = bodyOf(batch);
    const metadata = message(version, batch.dictionary === undefined ? 3 : 2, header(batch), body.length);
    const block = [end(), metadata.length, body.length];
    parts.push(metadata, body);
    return block;
  });
  file.blocks?.(blocks);
  const of = (dictionaries: boolean): Cell =>
    longs(3, blocks.filter((_, index) => (batches[index]?.dictionary !== undefined) === dictionaries).flat());
  const footer = flatbuffer(table(short(version), schema, of(true), of(false)));
  const tail = Buffer.alloc(10, '\0\0\0\0ARROW1');
  tail.writeInt32LE(footer.length);
  return Uint8Array.from(Buffer.concat([...parts, footer, tail]));
}

function message(version: number, kind: number, content: Cell, bodyBytes: number): Uint8Array {
  const metadata = flatbuffer(table(short(version), byte(kind), content, long(bodyBytes)));
  const prefix = Buffer.alloc(8, 255);
  prefix.writeInt32LE(metadata.length, 4);
  return Buffer.concat([prefix, metadata]);
}

function header(batch: Batch): Cell {
  const { rows, nodes = [], variadic, compression } = batch;
  const data = table(
    long(rows),
    longs(2, nodes),
    longs(2, placesOf(batch)),
    compression,
    variadic === undefined ? undefined : longs(1, variadic),
  );
  return batch.dictionary === undefined
    ? data
    : table(long(batch.dictionary), data, byte(batch.isDelta === true ? 1 : 0));
}

function placesOf({ buffers = [], places }: Batch): readonly number[] {
  if (places !== undefined) return places;
  let at = 0;
  return buffers.flatMap(({ length }) => {
    const offset = at;
    at += Math.ceil(length / 8) * 8;
    return [offset, length];
  });
}

function bodyOf({ buffers = [] }: Batch): Uint8Array {
  return Buffer.concat(buffers.map((part) => Buffer.concat([part], Math.ceil(part.length / 8) * 8)));
}

const NONE = new Uint8Array();
export const none = (): Uint8Array => NONE;
export const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
export const int32s = (...values: readonly number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);
export const int64s = (...values: readonly (number | bigint)[]): Uint8Array =>
  new Uint8Array(BigInt64Array.from(values, (value) => BigInt(value)).buffer);
export const letters = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value));
