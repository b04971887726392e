import { dataType, integerParameters } from './data-type.js';
import type { DataType, Dictionary, Field, Schema } from './field.js';
import type { Flatbuffer, Table } from './flatbuffer.js';
import type { Limits } from './limits.js';
import { quoted } from '../quoted.js';

/** Fields of the format's tables. */
const SCHEMA = { endianness: 0, fields: 1, metadata: 2, features: 3 };
const FIELD = { name: 0, nullable: 1, kind: 2, type: 3, dictionary: 4, children: 5, metadata: 6 };
const DICTIONARY = { id: 0, index: 1, ordered: 2, kind: 3 };

/** Extension types that readers make something of by themselves, and what they must then be stored in. */
const EXTENSIONS: Readonly<Record<string, readonly string[]>> = {
  'arrow.uuid': ['fixed_size_binary[16]'],
  'arrow.json': ['string', 'large_string', 'string_view'],
  'arrow.bool8': ['int8'],
};

/** Characters of all names, each as often as it is nested: types above a field have its name in their texts. */
const MOST_CHARACTERS = 4_000_000;
const LONGEST_EXTENSION = 200;

/** Reads a schema. Its depth and the number of its fields are bounded, and nothing else of it needs more work than its bytes. */
export function readSchema(table: Table, limits: Limits): Schema {
  return new SchemaReader(table.buffer, limits).schema(table);
}

class SchemaReader {
  readonly #buffer: Flatbuffer;
  readonly #limits: Limits;
  readonly #dictionaries = new Map<number, Field>();
  #count = 0;
  #characters = 0;

  constructor(buffer: Flatbuffer, limits: Limits) {
    this.#buffer = buffer;
    this.#limits = limits;
  }

  schema(table: Table): Schema {
    if (table.short(SCHEMA.endianness, 0) !== 0) throw this.#buffer.refusal('its numbers are not little-endian');
    if (!table.has(SCHEMA.fields)) throw this.#buffer.refusal('it has no fields, not even none');
    const fields = [...table.tables(SCHEMA.fields)].map((field) => this.#field(field, '', 1));
    readMetadata(table, SCHEMA.metadata);
    table.vector(SCHEMA.features, 8, 8);
    const signature = fields.map((field) => field.signature).join();
    return { fields, signature, dictionaries: this.#dictionaries };
  }

  #field(table: Table, above: string, depth: number): Field {
    const { maxColumns, maxDepth } = this.#limits;
    this.#count++;
    if (this.#count > maxColumns) throw this.#buffer.refusal(`it has more than ${maxColumns} fields (maxColumns)`);
    if (depth > maxDepth) throw this.#buffer.refusal(`its types are nested deeper than ${maxDepth} (maxDepth)`);
    const name = table.text(FIELD.name) ?? '';
    this.#characters += name.length * depth;
    if (this.#characters > MOST_CHARACTERS) throw this.#buffer.refusal('its names are too long');
    const path = above === '' ? name : `${above}.${name}`;
    const children: Field[] = [];
    for (const child of table.tables(FIELD.children)) children.push(this.#field(child, path, depth + 1));
    const parameters = table.required(FIELD.type, `the type of ${quoted(path)}`);
    const type = dataType(table.byte(FIELD.kind, 0), parameters, children, this.#buffer);
    const dictionary = table.table(FIELD.dictionary);
    const extension = this.#extension(table, path, dictionary === undefined ? type.text : '');
    const plain = { name, path, type, nullable: table.bool(FIELD.nullable) };
    return dictionary === undefined
      ? { ...plain, text: type.text, dictionary: undefined, signature: signatureOf(plain, type, extension) }
      : this.#encoded(plain, dictionary, extension);
  }

  #encoded(plain: Pick<Field, 'name' | 'path' | 'type' | 'nullable'>, table: Table, extension: string): Field {
    const { dictionary, index } = this.#dictionary(table);
    const ordered = table.bool(DICTIONARY.ordered) ? 1 : 0;
    const { type } = plain;
    const text = `dictionary<values=${type.text}, indices=${index}, ordered=${ordered}>`;
    const values = signatureOf({ name: '', nullable: true }, type, '');
    const signature = `${signatureOf(plain, type, extension)}[${dictionary.id}:${index}:${ordered}]`;
    const field = { ...plain, text, dictionary, signature };
    const known = this.#dictionaries.get(dictionary.id);
    if (known !== undefined && signatureOf({ name: '', nullable: true }, known.type, '') !== values) {
      throw this.#buffer.refusal(`dictionary ${dictionary.id} has values of two types`);
    }
    this.#dictionaries.set(dictionary.id, field);
    return field;
  }

  #dictionary(table: Table): { readonly dictionary: Dictionary; readonly index: string } {
    if (table.short(DICTIONARY.kind, 0) !== 0) throw this.#buffer.refusal('a dictionary is of an unknown kind');
    const parameters = table.required(DICTIONARY.index, 'the type of indices');
    const index = integerParameters(parameters, (problem) => this.#buffer.refusal(problem));
    const dictionary = { id: table.long(DICTIONARY.id), indexBytes: index.bytes, indexSigned: index.signed };
    return { dictionary, index: `${index.signed ? '' : 'u'}int${index.bytes * 8}` };
  }

  /** Answers what tells one extension type from another. Readers believe the format's own ones to be well stored. */
  #extension(table: Table, path: string, storage: string): string {
    const { name, data } = readMetadata(table, FIELD.metadata);
    if (name === undefined) return '';
    if (name.length > LONGEST_EXTENSION)
      throw this.#buffer.refusal(`the extension type of ${quoted(path)} is too long`);
    const stored = EXTENSIONS[name];
    const foreign = !/^(arrow|parquet)\./.test(name);
    if (!foreign && (!Object.hasOwn(EXTENSIONS, name) || stored?.includes(storage) !== true || data !== 0)) {
      const problem = `${quoted(path)} has the extension type ${quoted(name)}, which cannot be checked with this storage`;
      throw this.#buffer.refusal(problem);
    }
    return JSON.stringify(name);
  }
}

/** All keys and values are looked at; answers those that make an extension type: its name, and the size of its data. */
export function readMetadata(
  table: Table,
  field: number,
): { readonly name: string | undefined; readonly data: number } {
  let name: string | undefined;
  let data = 0;
  for (const pair of table.tables(field)) {
    const key = pair.text(0);
    const value = pair.bytes(1);
    if (key === undefined || value === undefined) throw table.buffer.refusal('its metadata lacks a key or value');
    table.buffer.pairs++;
    table.buffer.pairBytes += key.length + value.count;
    if (key === 'ARROW:extension:name') name ??= table.buffer.text(value);
    if (key === 'ARROW:extension:metadata') data = Math.max(data, value.count);
  }
  return { name, data };
}

function signatureOf({ name, nullable }: Pick<Field, 'name' | 'nullable'>, type: DataType, extension: string): string {
  const below = type.children.map((child) => child.signature).join();
  return `${JSON.stringify(name)}${nullable ? '?' : ''}:${extension}${type.text}(${below})`;
}
