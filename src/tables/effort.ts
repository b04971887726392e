import type { Flatbuffer } from './flatbuffer.js';
import type { Field, Schema } from './field.js';
import type { BatchHeader } from './message.js';
import { Refusal } from './refusal.js';

/** Microseconds, on the high side. What is done before there is a batch is done at one go, and counts for more. */
const COST = {
  array: 2,
  buffer: 1,
  /** A key with its value, read. */
  pair: 20,
  /** A byte of those: it becomes a character, of which each takes two bytes if one of them needs to. */
  pairByte: 0.05,
  /** A pair, copied for one more batch. */
  pairAgain: 1,
  /** A name compared with another, and each of its characters. */
  name: 0.005,
  character: 0.0001,
  /** One field of the schema of a batch, compared with that of the table. */
  field: 1,
  /** A part of a dictionary, copied for one more part. */
  part: 10,
} as const;

/**
 * What the package apache-arrow will do with a file in the thread that the app runs in, and at least in proportion to it the memory that it
 * takes, as far as that follows from how many things there are, and not from the bytes of values, which it leaves where they are: arrays
 * of many small batches; fields, which it compares each with each for every batch; metadata, which it copies for every batch; and
 * dictionaries that come in parts.
 */
export class Effort {
  readonly #most: number;
  readonly #parts = new Map<number, number>();
  #perBatch = 0;
  #spent = 0;

  /** Microseconds. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Microseconds. */
  get spent(): number {
    return this.#spent;
  }

  /** `buffer` holds the schema. */
  schema({ fields, dictionaries }: Schema, buffer: Flatbuffer): void {
    const characters = fields.reduce((sum, { name }) => sum + name.length, 0);
    const compared = fields.length * (fields.length * COST.name + characters * COST.character);
    const below = countFields(fields) + countFields([...dictionaries.values()]);
    this.#perBatch = compared + below * COST.field + buffer.pairs * COST.pairAgain;
    this.#spend('schema', below * COST.field + ofMetadata(buffer));
  }

  batch(where: string, header: BatchHeader): void {
    this.#spend(where, this.#perBatch + ofHeader(header));
  }

  dictionary(where: string, id: number, header: BatchHeader): void {
    const parts = this.#parts.get(id) ?? 0;
    this.#parts.set(id, parts + 1);
    this.#spend(where, parts * COST.part + ofHeader(header));
  }

  #spend(where: string, microseconds: number): void {
    this.#spent += microseconds;
    if (this.#spent <= this.#most) return;
    throw new Refusal(
      where,
      'up to here it has so many batches of so many columns, parts of dictionaries, or keys of metadata that reading it would keep the app busy',
      'Write fewer and larger batches, each dictionary at once, and less metadata.',
    );
  }
}

function ofHeader({ nodes, buffers, metadata }: BatchHeader): number {
  return nodes.count * COST.array + buffers.count * COST.buffer + ofMetadata(metadata);
}

function ofMetadata({ pairs, pairBytes }: Flatbuffer): number {
  return pairs * COST.pair + pairBytes * COST.pairByte;
}

function countFields(fields: readonly Field[]): number {
  return fields.reduce((sum, { type }) => sum + 1 + countFields(type.children), 0);
}
