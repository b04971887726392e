import { isUtf8 } from 'node:buffer';
import { Refusal } from './refusal.js';

/** How often each byte may be looked at, of which files in order need three. Offsets can alias, so small metadata may describe much. */
const VISITS = 8;
/** Ten thousand columns, or batches, have metadata of one or two MiB. */
const MOST_BYTES = 2 ** 26;

/** Bytes of a name or key. */
const LONGEST_TEXT = 65_536;

/** Elements of one size, one after the other, all of them within the metadata. */
export interface Vector {
  /** The place of the first element. */
  readonly at: number;
  readonly count: number;
}

/**
 * One flatbuffer: bytes `start` to `end` of a file. Every read is checked for bounds and for alignment (as flatbuffers count it, from
 * the buffer's start), and the sum of all that is read is bounded by the buffer's size.
 */
export class Flatbuffer {
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
  readonly #bytes: Uint8Array;
  readonly #where: string;
  #left: number;
  /** Keys with values that were found in metadata of the user's, and their bytes: what is named twice counts twice. */
  pairs = 0;
  pairBytes = 0;

  constructor(bytes: Uint8Array, start: number, end: number, where: string) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.start = start;
    this.end = end;
    this.#bytes = bytes;
    this.#where = where;
    this.#left = (end - start) * VISITS;
    if (end - start > MOST_BYTES) throw this.refusal(`metadata of ${end - start} bytes; ${MOST_BYTES} are allowed`);
  }

  root(): Table {
    return new Table(this, this.follow(this.start));
  }

  /** The place that the offset at `at` leads to. */
  follow(at: number): number {
    this.need(at, 4, 4);
    const offset = this.view.getUint32(at, true);
    if (offset === 0) throw this.refusal('an offset leads nowhere');
    this.need(at + offset, 4, 4);
    return at + offset;
  }

  /** That `size` bytes at `at` are there, and aligned. */
  need(at: number, size: number, alignment: number): void {
    if (at < this.start || size > this.end - at) throw this.refusal('the metadata leads outside itself');
    if ((at - this.start) % alignment !== 0) throw this.refusal('the metadata is not aligned');
    this.#left -= size;
    if (this.#left < 0) throw this.refusal('the metadata describes much more than it holds');
  }

  /** A whole number of 64 bits that a double can hold. */
  integer(at: number): number {
    const value = this.view.getInt32(at + 4, true) * 2 ** 32 + this.view.getUint32(at, true);
    if (!Number.isSafeInteger(value)) throw this.refusal('a number is larger than any file');
    return value;
  }

  /** The vector that the offset at `at` leads to. */
  vector(at: number, size: number, alignment: number): Vector {
    const head = this.follow(at);
    const count = this.view.getUint32(head, true);
    this.need(head + 4, count * size, count === 0 ? 1 : alignment);
    return { at: head + 4, count };
  }

  /** Bytes with a NUL behind them. */
  string(at: number): Vector {
    const string = this.vector(at, 1, 1);
    this.need(string.at + string.count, 1, 1);
    if (this.view.getUint8(string.at + string.count) !== 0) throw this.refusal('a text has no end');
    return string;
  }

  text({ at, count }: Vector): string {
    if (count > LONGEST_TEXT) throw this.refusal(`a name or key has ${count} bytes`);
    const bytes = this.#bytes.subarray(at, at + count);
    if (!isUtf8(bytes)) throw this.refusal('a name or key is not UTF-8');
    return Buffer.from(bytes.buffer, bytes.byteOffset, count).toString('utf8');
  }

  refusal(problem: string): Refusal {
    return new Refusal(this.#where, problem);
  }
}

/** One table. A field is named by its number in the schema of the format, from 0; what is not there has its default. */
export class Table {
  readonly buffer: Flatbuffer;
  readonly #at: number;
  readonly #vtable: number;
  readonly #vtableSize: number;
  readonly #size: number;

  constructor(buffer: Flatbuffer, at: number) {
    buffer.need(at, 4, 4);
    const vtable = at - buffer.view.getInt32(at, true);
    buffer.need(vtable, 4, 2);
    this.buffer = buffer;
    this.#at = at;
    this.#vtable = vtable;
    this.#vtableSize = buffer.view.getUint16(vtable, true);
    this.#size = buffer.view.getUint16(vtable + 2, true);
    if (this.#vtableSize < 4 || this.#vtableSize % 2 !== 0 || this.#size < 4) throw buffer.refusal('a table is broken');
    buffer.need(vtable, this.#vtableSize, 2);
    buffer.need(at, this.#size, 4);
  }

  /** Where the field is; 0 if it is not. */
  #place(field: number, size: number): number {
    const entry = 4 + 2 * field;
    if (entry + 2 > this.#vtableSize) return 0;
    const offset = this.buffer.view.getUint16(this.#vtable + entry, true);
    if (offset === 0) return 0;
    if (offset < 4 || offset + size > this.#size) throw this.buffer.refusal('a field lies outside its table');
    this.buffer.need(this.#at + offset, size, size);
    return this.#at + offset;
  }

  has(field: number): boolean {
    return this.#place(field, 1) !== 0;
  }

  byte(field: number, otherwise: number): number {
    const at = this.#place(field, 1);
    return at === 0 ? otherwise : this.buffer.view.getUint8(at);
  }

  bool(field: number): boolean {
    return this.byte(field, 0) !== 0;
  }

  short(field: number, otherwise: number): number {
    const at = this.#place(field, 2);
    return at === 0 ? otherwise : this.buffer.view.getInt16(at, true);
  }

  int(field: number, otherwise: number): number {
    const at = this.#place(field, 4);
    return at === 0 ? otherwise : this.buffer.view.getInt32(at, true);
  }

  long(field: number): number {
    const at = this.#place(field, 8);
    return at === 0 ? 0 : this.buffer.integer(at);
  }

  table(field: number): Table | undefined {
    const at = this.#place(field, 4);
    return at === 0 ? undefined : new Table(this.buffer, this.buffer.follow(at));
  }

  /** A table without which nothing can be read. */
  required(field: number, what: string): Table {
    const table = this.table(field);
    if (table === undefined) throw this.buffer.refusal(`${what} is missing`);
    return table;
  }

  text(field: number): string | undefined {
    const bytes = this.bytes(field);
    return bytes === undefined ? undefined : this.buffer.text(bytes);
  }

  /** A text that may hold anything. */
  bytes(field: number): Vector | undefined {
    const at = this.#place(field, 4);
    return at === 0 ? undefined : this.buffer.string(at);
  }

  vector(field: number, size: number, alignment: number): Vector {
    const at = this.#place(field, 4);
    return at === 0 ? { at: 0, count: 0 } : this.buffer.vector(at, size, alignment);
  }

  /** The tables of a vector, each of them looked at when it is asked for. */
  *tables(field: number): Generator<Table, void> {
    const { at, count } = this.vector(field, 4, 4);
    for (let index = 0; index < count; index++) yield new Table(this.buffer, this.buffer.follow(at + 4 * index));
  }
}
