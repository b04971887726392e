import type { DataType, Dictionary, Field, Layout } from './field.js';
import type { Limits } from './limits.js';
import type { BatchHeader } from './message.js';
import { quoted } from '../quoted.js';
import { Refusal } from './refusal.js';
import { ALL_VALID, countNulls, type Validity } from './values/bitmap.js';
import { wrongIndex } from './values/indices.js';
import { wrongNumber } from './values/numbers.js';
import { offsetAt, wrongListView, wrongOffset } from './values/offsets.js';
import { wrongRuns } from './values/runs.js';
import { ViewCheck } from './values/string-views.js';
import { wrongText } from './values/text.js';
import { lengthsById, wrongDenseOffset, wrongTypeId } from './values/unions.js';
import type { Place, Views } from './views.js';

/** Longest array. Places are 32 bits wide, and so is every offset that is compared with one. */
const MOST_VALUES = 2 ** 32 - 1;
const VIEW_BYTES = 16;
const PAIR_BYTES = 16;

/** What the header says of one array. */
interface Node {
  readonly length: number;
  readonly nulls: number;
}

/** An array that is there with its bitmap. */
interface Values extends Node {
  readonly validity: Validity;
}

/** Values of each dictionary that was read so far. */
export type DictionaryLengths = ReadonlyMap<number, number>;

/**
 * Checks one record batch, or the values of a dictionary: walks along nodes, buffers and types, which all go depth first, and looks at each
 * array when those below it are known to be right.
 */
export class BatchCheck {
  readonly #views: Views;
  readonly #header: BatchHeader;
  readonly #body: Place;
  readonly #where: string;
  readonly #limits: Limits;
  readonly #dictionaries: DictionaryLengths;
  #node = 0;
  #buffer = 0;
  #variadic = 0;
  /** Where the latest buffer with something in it ends, from the beginning of the body. */
  #end = 0;

  constructor(
    views: Views,
    header: BatchHeader,
    body: Place,
    where: string,
    limits: Limits,
    dictionaries: DictionaryLengths,
  ) {
    this.#views = views;
    this.#header = header;
    this.#body = body;
    this.#where = where;
    this.#limits = limits;
    this.#dictionaries = dictionaries;
  }

  /** A column of the batch. Answers how many of its values are null. */
  column(field: Field): number {
    const { length, nulls } =
      field.dictionary === undefined ? this.#values(field) : this.#indices(field, field.dictionary);
    return this.#wholeColumn(field, length, nulls);
  }

  /** The values of a dictionary, which are the only column of their batch. */
  dictionaryValues(field: Field): void {
    const { length, nulls } = this.#values(field);
    this.#wholeColumn(field, length, nulls);
  }

  /** After the last column: nothing is left over. */
  finish(): void {
    const { nodes, buffers, variadic } = this.#header;
    const left = (what: string, count: number, used: number): Refusal =>
      new Refusal(this.#where, `it has ${count} ${what}; its schema takes ${used}`);
    if (this.#node !== nodes.count) throw left('nodes', nodes.count, this.#node);
    if (this.#buffer !== buffers.count) throw left('buffers', buffers.count, this.#buffer);
    if (this.#variadic !== variadic.count) throw left('counts of variadic buffers', variadic.count, this.#variadic);
  }

  #wholeColumn(field: Field, length: number, nulls: number): number {
    const { rows } = this.#header;
    if (length !== rows) throw this.#refusal(field, `it has ${length} values, and the batch ${rows} rows`);
    return nulls;
  }

  #array(field: Field): Node {
    return field.dictionary === undefined ? this.#values(field) : this.#indices(field, field.dictionary);
  }

  #values(field: Field): Node {
    return this.#checks[field.type.layout](field, field.type);
  }

  readonly #checks: Readonly<Record<Layout, (field: Field, type: DataType) => Node>> = {
    null: (field) => this.#null(field),
    bool: (field) => this.#bool(field),
    fixed: (field, type) => this.#fixed(field, type),
    binary: (field, type) => this.#binary(field, type, false),
    largeBinary: (field, type) => this.#binary(field, type, true),
    view: (field, type) => this.#view(field, type),
    list: (field, type) => this.#list(field, type, false),
    largeList: (field, type) => this.#list(field, type, true),
    map: (field, type) => this.#map(field, type),
    listView: (field, type) => this.#listView(field, type, false),
    largeListView: (field, type) => this.#listView(field, type, true),
    fixedSizeList: (field, type) => this.#fixedSizeList(field, type),
    struct: (field, type) => this.#struct(field, type),
    sparseUnion: (field, type) => this.#sparseUnion(field, type),
    denseUnion: (field, type) => this.#denseUnion(field, type),
    runEndEncoded: (field, type) => this.#runEndEncoded(field, type),
  };

  #null(field: Field): Node {
    const node = this.#nextNode(field);
    this.#boundWithoutBytes(field, node.length);
    if (node.nulls !== node.length) throw this.#refusal(field, `${node.nulls} of its ${node.length} nulls are null`);
    return node;
  }

  #bool(field: Field): Node {
    const values = this.#nullable(field);
    this.#nextBuffer(field, 'values', Math.ceil(values.length / 8));
    return values;
  }

  #fixed(field: Field, type: DataType): Values & Place {
    const values = this.#nullable(field);
    const { length, validity } = values;
    if (type.size === 0) this.#boundWithoutBytes(field, length);
    const place = this.#nextBuffer(field, 'values', length * type.size);
    if (type.rule !== undefined) {
      const wrong = wrongNumber(this.#views, place.at, length, type.size, validity, type.rule);
      if (wrong >= 0) throw this.#refusal(field, `value ${wrong} is outside of what ${type.text} can hold`);
    }
    return { ...values, ...place };
  }

  #indices(field: Field, dictionary: Dictionary): Node {
    const values = this.#nullable(field);
    const { length, validity } = values;
    const { at } = this.#nextBuffer(field, 'indices', length * dictionary.indexBytes);
    const count = this.#dictionaries.get(dictionary.id);
    if (count === undefined) throw this.#refusal(field, `its dictionary ${dictionary.id} is not in the file before it`);
    const wrong = wrongIndex(this.#views, at, length, dictionary, validity, count);
    if (wrong >= 0) throw this.#refusal(field, `index ${wrong} is none of a dictionary of ${count} values`);
    return values;
  }

  #binary(field: Field, type: DataType, wide: boolean): Node {
    const values = this.#nullable(field);
    const { length, validity } = values;
    const offsets = this.#nextOffsets(field, length, wide);
    const data = this.#nextBuffer(field, 'data', 0);
    if (offsets.size === 0) return values;
    this.#checkOffsets(field, offsets, length, data.size, wide);
    if (!type.utf8) return values;
    const wrong = wrongText(this.#views, { offsets: offsets.at, data: data.at, length, validity, wide });
    if (wrong >= 0) throw this.#refusal(field, `value ${wrong} is not UTF-8`);
    return values;
  }

  #view(field: Field, type: DataType): Node {
    const values = this.#nullable(field);
    const { length, validity } = values;
    const { at } = this.#nextBuffer(field, 'views', length * VIEW_BYTES);
    const buffers: Place[] = [];
    const count = this.#nextVariadic(field);
    for (let index = 0; index < count; index++) buffers.push(this.#nextBuffer(field, `data ${index}`, 0));
    const wrong = new ViewCheck(this.#views, buffers, type.utf8).firstWrong(at, length, validity);
    if (wrong !== undefined) throw this.#refusal(field, `value ${wrong.index}: ${wrong.problem}`);
    return values;
  }

  #list(field: Field, type: DataType, wide: boolean): Node {
    const values = this.#nullable(field);
    const offsets = this.#nextOffsets(field, values.length, wide);
    const child = this.#array(childOf(type, 0));
    if (offsets.size > 0) this.#checkOffsets(field, offsets, values.length, child.length, wide);
    return values;
  }

  #map(field: Field, type: DataType): Node {
    const values = this.#nullable(field);
    const offsets = this.#nextOffsets(field, values.length, false);
    const entriesField = childOf(type, 0);
    const entries = this.#nullable(entriesField);
    const key = childOf(entriesField.type, 0);
    const keys = this.#array(key);
    const items = this.#array(childOf(entriesField.type, 1));
    if (entries.nulls > 0) throw this.#refusal(entriesField, 'it has nulls, and is the pairs of a map');
    if (keys.nulls > 0) throw this.#refusal(key, 'it has nulls, and is the keys of a map');
    if (keys.length !== entries.length || items.length !== entries.length) {
      throw this.#refusal(entriesField, `${keys.length} keys and ${items.length} values make ${entries.length} pairs`);
    }
    if (offsets.size > 0) this.#checkOffsets(field, offsets, values.length, entries.length, false);
    return values;
  }

  #listView(field: Field, type: DataType, wide: boolean): Node {
    const values = this.#nullable(field);
    const { length } = values;
    const bytes = wide ? 8 : 4;
    const offsets = this.#nextBuffer(field, 'offsets', length * bytes);
    const sizes = this.#nextBuffer(field, 'sizes', length * bytes);
    const child = this.#array(childOf(type, 0));
    const wrong = wrongListView(this.#views, offsets.at, sizes.at, length, child.length, wide);
    if (wrong >= 0) throw this.#refusal(field, `list ${wrong} is not within the ${child.length} values below it`);
    return values;
  }

  #fixedSizeList(field: Field, type: DataType): Node {
    const values = this.#nullable(field);
    const child = this.#array(childOf(type, 0));
    if (type.size === 0) this.#boundWithoutBytes(field, values.length);
    if (child.length !== values.length * type.size) {
      throw this.#refusal(field, `${values.length} lists of ${type.size} are made of ${child.length} values`);
    }
    return values;
  }

  #struct(field: Field, type: DataType): Node {
    const values = this.#nullable(field);
    if (type.children.length === 0) this.#boundWithoutBytes(field, values.length);
    for (const child of type.children) this.#equallyLong(child, values.length);
    return values;
  }

  #sparseUnion(field: Field, type: DataType): Node {
    const { length, typeIds } = this.#union(field);
    const lengths = type.children.map((child) => this.#equallyLong(child, length));
    this.#checkTypeIds(field, typeIds, length, lengthsById(type.typeIds, lengths));
    return { length, nulls: 0 };
  }

  #denseUnion(field: Field, type: DataType): Node {
    const { length, typeIds } = this.#union(field);
    const offsets = this.#nextBuffer(field, 'offsets', length * 4);
    const lengths = type.children.map((child) => this.#array(child).length);
    const byId = lengthsById(type.typeIds, lengths);
    this.#checkTypeIds(field, typeIds, length, byId);
    const wrong = wrongDenseOffset(this.#views, typeIds.at, offsets.at, length, byId);
    if (wrong >= 0) throw this.#refusal(field, `offset ${wrong} is outside its child, or before an earlier one`);
    return { length, nulls: 0 };
  }

  #union(field: Field): { readonly length: number; readonly typeIds: Place } {
    const { length } = this.#withoutNulls(field);
    return { length, typeIds: this.#nextBuffer(field, 'type ids', length) };
  }

  #runEndEncoded(field: Field, type: DataType): Node {
    const { length } = this.#withoutNulls(field);
    this.#boundWithoutBytes(field, length);
    const endsField = childOf(type, 0);
    const ends = this.#fixed(endsField, endsField.type);
    const values = this.#array(childOf(type, 1));
    if (ends.nulls > 0) throw this.#refusal(endsField, 'it has nulls, and is the ends of runs');
    if (values.length < ends.length) throw this.#refusal(field, `${ends.length} runs have ${values.length} values`);
    const problem = wrongRuns(this.#views, ends.at, ends.length, endsField.type.size, length);
    if (problem !== '') throw this.#refusal(field, problem);
    return { length, nulls: 0 };
  }

  #equallyLong(child: Field, length: number): number {
    const found = this.#array(child).length;
    if (found !== length) throw this.#refusal(child, `it has ${found} values, and what it is a part of ${length}`);
    return found;
  }

  #checkTypeIds(field: Field, { at }: Place, length: number, byId: Float64Array): void {
    const wrong = wrongTypeId(this.#views, at, length, byId);
    if (wrong >= 0) throw this.#refusal(field, `type id ${wrong} is none of this union`);
  }

  /** Offsets of `length` values: one more than those, or none at all for no values. */
  #nextOffsets(field: Field, length: number, wide: boolean): Place {
    const bytes = wide ? 8 : 4;
    const place = this.#nextBuffer(field, 'offsets', length === 0 ? 0 : (length + 1) * bytes);
    if (place.size > 0 && place.size < bytes) throw this.#refusal(field, 'its offsets are cut off');
    return place;
  }

  #checkOffsets(field: Field, { at }: Place, length: number, end: number, wide: boolean): void {
    const wrong = wrongOffset(this.#views, at, length + 1, end, wide);
    if (wrong < 0) return;
    const offset = offsetAt(this.#views, at, wrong, wide);
    throw this.#refusal(field, `offset ${wrong} is ${offset}: it falls, is negative, or lies beyond ${end}`);
  }

  #nextNode(field: Field): Node {
    const { nodes, metadata } = this.#header;
    if (this.#node >= nodes.count) throw this.#refusal(field, `the batch has ${nodes.count} nodes only`);
    const at = nodes.at + PAIR_BYTES * this.#node++;
    const length = metadata.integer(at);
    const nulls = metadata.integer(at + 8);
    if (length < 0 || length > MOST_VALUES) throw this.#refusal(field, `it has ${length} values`);
    if (nulls < 0 || nulls > length) throw this.#refusal(field, `${nulls} of ${length} values are null`);
    return { length, nulls };
  }

  #withoutNulls(field: Field): Node {
    const node = this.#nextNode(field);
    if (node.nulls > 0) throw this.#refusal(field, `it has nulls of its own, and is a ${field.type.layout}`);
    return node;
  }

  /** A node, and the bitmap that says which of its values are null. */
  #nullable(field: Field): Values {
    const { length, nulls } = this.#nextNode(field);
    const { at, size } = this.#nextBuffer(field, 'validity', 0);
    if (size === 0 && nulls === 0) return { length, nulls, validity: ALL_VALID };
    if (size < Math.ceil(length / 8)) throw this.#refusal(field, `its validity bitmap of ${size} bytes is too short`);
    const counted = countNulls(this.#views, at, length);
    if (counted !== nulls) throw this.#refusal(field, `${counted} of its values are null, and it says ${nulls}`);
    return { length, nulls, validity: nulls === 0 ? ALL_VALID : at };
  }

  #nextVariadic(field: Field): number {
    const { variadic, metadata } = this.#header;
    if (this.#variadic >= variadic.count) throw this.#refusal(field, 'the number of its buffers is missing');
    const count = metadata.integer(variadic.at + 8 * this.#variadic++);
    if (count < 0 || count > this.#header.buffers.count - this.#buffer) {
      throw this.#refusal(field, `it has ${count} buffers of data, which are not there`);
    }
    return count;
  }

  /** The next buffer: within the body, behind the one before it, and with at least `least` bytes. */
  #nextBuffer(field: Field, what: string, least: number): Place {
    const { buffers, metadata } = this.#header;
    if (this.#buffer >= buffers.count) throw this.#refusal(field, `the batch has ${buffers.count} buffers only`);
    const index = this.#buffer++;
    const at = buffers.at + PAIR_BYTES * index;
    const offset = metadata.integer(at);
    const size = metadata.integer(at + 8);
    const refusal = (problem: string): Refusal => this.#refusal(field, `buffer ${index} (${what}) ${problem}`);
    if (offset < 0 || size < 0 || offset > this.#body.size || size > this.#body.size - offset) {
      throw refusal(`is not within the body`);
    }
    if (offset % 8 !== 0) throw refusal(`begins at ${offset}, which is not a multiple of 8`);
    if (size > 0) {
      // Overlapping buffers would have the same bytes looked at again and again.
      if (offset < this.#end) throw refusal('overlaps the one before it');
      this.#end = offset + size;
    }
    if (size < least) throw refusal(`has ${size} bytes, and ${least} are needed`);
    return { at: this.#body.at + offset, size };
  }

  /** What takes no bytes costs nothing to write down, and a lot to whoever reads it. */
  #boundWithoutBytes(field: Field, length: number): void {
    const { maxRows } = this.#limits;
    if (length > maxRows) throw this.#refusal(field, `it has ${length} values; ${maxRows} are allowed (maxRows)`);
  }

  #refusal(field: Field, problem: string): Refusal {
    return new Refusal(`${this.#where}, column ${quoted(field.path)}`, problem);
  }
}

function childOf(type: DataType, index: number): Field {
  const child = type.children[index];
  if (child === undefined) throw new Refusal('schema', `${type.text} has no field ${index}`);
  return child;
}
