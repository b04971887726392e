import { DELIMITED, FIXED64, VARINT } from './cursor.js';
import type { Writer } from './writer.js';
import { described, isPlain, type Place } from './wrong.js';

const NULL_TAG = (1 << 3) | VARINT;
const NUMBER_TAG = (2 << 3) | FIXED64;
const TEXT_TAG = (3 << 3) | DELIMITED;
const BOOLEAN_TAG = (4 << 3) | VARINT;
const STRUCT_TAG = (5 << 3) | DELIMITED;
const LIST_TAG = (6 << 3) | DELIMITED;
/** `Struct.fields` and `ListValue.values`, and the key of an entry. */
const FIRST_TAG = (1 << 3) | DELIMITED;
const SECOND_TAG = (2 << 3) | DELIMITED;

/** What an encoder carries with it. */
export interface Encoding {
  readonly writer: Writer;
  readonly place: Place;
  readonly maxDepth: number;
  /** The objects and arrays that the present one is in. */
  readonly outer: object[];
}

const HALF = 'has half of a surrogate pair, which is no text';
const PLAIN_ONLY =
  'Plain values are null, booleans, numbers, strings, and arrays and plain objects of them; name a message type for more.';

const REMEDIES: Readonly<Record<string, string>> = {
  bigint: 'Pass a number, or its digits as a string, or name a message type with an int64 field.',
  Date: 'Pass when.getTime() or when.toISOString().',
  Uint8Array: 'Pass it as text, by Buffer.from(bytes).toString("base64"), or name a message type with a bytes field.',
  Buffer: 'Pass it as text, by buffer.toString("base64"), or name a message type with a bytes field.',
  Map: 'Pass Object.fromEntries(map).',
  Set: 'Pass [...set].',
};

/** Writes what is in a google.protobuf.Value. `undefined` becomes null, as in JSON's arrays. */
export function writeValue(encoding: Encoding, value: unknown): void {
  const { writer, place } = encoding;
  switch (typeof value) {
    case 'string':
      writer.byte(TEXT_TAG);
      if (!writer.text(value)) throw place.wrong(HALF);
      return;
    case 'number':
      writer.byte(NUMBER_TAG);
      writer.double(value);
      return;
    case 'boolean':
      writer.byte(BOOLEAN_TAG);
      writer.byte(value ? 1 : 0);
      return;
    case 'undefined':
      writer.byte(NULL_TAG);
      writer.byte(0);
      return;
    case 'object':
      if (value === null) {
        writeValue(encoding, undefined);
        return;
      }
      writer.byte(Array.isArray(value) ? LIST_TAG : STRUCT_TAG);
      {
        writeNested(encoding, value);
        return;
      }
    default:
      throw notPlain(place, value);
  }
}

function writeNested(encoding: Encoding, value: object): void {
  const start = encoding.writer.begin();
  if (Array.isArray(value)) writeList(encoding, value);
  else writeStruct(encoding, value);
  encoding.writer.end(start);
}

export function writeStruct(encoding: Encoding, value: unknown): void {
  const { writer, place } = encoding;
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !isPlain(value))
    throw notPlain(place, value);
  goIn(encoding, value);
  for (const key of Object.keys(value)) {
    const member = (value as Readonly<Record<string, unknown>>)[key];
    if (member === undefined) continue;
    place.enter(key);
    writer.byte(FIRST_TAG);
    const entry = writer.begin();
    writer.byte(FIRST_TAG);
    if (!writer.text(key)) throw place.wrong(HALF);
    writer.byte(SECOND_TAG);
    const start = writer.begin();
    writeValue(encoding, member);
    writer.end(start);
    writer.end(entry);
    place.leave();
  }
  encoding.outer.pop();
}

export function writeList(encoding: Encoding, value: unknown): void {
  const { writer, place } = encoding;
  if (!Array.isArray(value)) throw place.wrong(`must be an array, and is ${described(value)}`);
  goIn(encoding, value);
  for (let index = 0; index < value.length; index++) {
    place.enter(index);
    writer.byte(FIRST_TAG);
    const start = writer.begin();
    writeValue(encoding, value[index]);
    writer.end(start);
    place.leave();
  }
  encoding.outer.pop();
}

/** One level deeper; `outer.pop()` comes back. What contains itself has no bottom. */
export function goIn({ place, outer, maxDepth }: Encoding, value: object): void {
  if (outer.length >= maxDepth) {
    if (outer.includes(value)) throw place.wrong('contains itself');
    throw place.wrong(`is nested deeper than ${maxDepth} levels`);
  }
  outer.push(value);
}

function notPlain(place: Place, value: unknown): Error {
  const type = typeof value === 'object' && value !== null ? value.constructor.name : typeof value;
  return place.wrong(`is ${described(value)}`, Object.hasOwn(REMEDIES, type) ? REMEDIES[type] : PLAIN_ONLY);
}
