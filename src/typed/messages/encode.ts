import { nearest } from '../../options/did-you-mean.js';
import { DELIMITED } from './cursor.js';
import { writeScalar } from './encode-scalar.js';
import { type Encoding, goIn, writeList, writeStruct, writeValue } from './plain-encode.js';
import { type Scalar, WIRE } from './scalars.js';
import type { Field, Kind, MapEntry, MessageKind, Shape } from './shape.js';
import { described } from './wrong.js';

const KEY_NUMBER = 1;
const VALUE_NUMBER = 2;
/** More names than these are not listed for who has mistyped one. */
const MOST_NAMES = 20;

/**
 * Writes an object as a message: its own members, in the order of the fields' numbers. Nothing is converted silently and nothing left
 * out silently. `null` and `undefined` are absent.
 */
export function writeMessage(encoding: Encoding, shape: Shape, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw encoding.place.wrong(`must be an object, and is ${described(value)}`);
  }
  goIn(encoding, value);
  checkNames(encoding, shape, value);
  for (const field of shape.fields) {
    const member = Object.hasOwn(value, field.name)
      ? (value as Readonly<Record<string, unknown>>)[field.name]
      : undefined;
    if (member === undefined || (member === null && !takesNull(field))) {
      if (field.required) throw encoding.place.wrong(`must have '${field.name}', which is a required field`);
      continue;
    }
    encoding.place.enter(field.name);
    writeField(encoding, field, member);
    encoding.place.leave();
  }
  encoding.outer.pop();
}

function takesNull({ kind, repeated, entry }: Field): boolean {
  return kind.is === 'plain' && kind.plain === 'value' && !repeated && entry === undefined;
}

/** Messages of protobufjs have the names of their oneofs besides fields, and what they did not know when they were read. */
function checkNames({ place }: Encoding, shape: Shape, value: object): void {
  const set = new Map<string, string>();
  for (const name of Object.keys(value)) {
    const field = shape.byName.get(name);
    if (field === undefined) {
      if (shape.oneofs.has(name) || name === '$unknowns') continue;
      const known = [...shape.byName.keys()];
      const near = nearest(name, known);
      const listed =
        known.length === 0
          ? 'It has none.'
          : `Known are: ${known.slice(0, MOST_NAMES).join(', ')}${known.length > MOST_NAMES ? ', …' : ''}`;
      place.enter(name);
      throw place.wrong(
        `is no field of ${shape.name || 'its message type'}`,
        near === undefined ? listed : `Did you mean '${near}'?`,
      );
    }
    const member = (value as Readonly<Record<string, unknown>>)[name];
    if (field.oneof === undefined || member === undefined || member === null) continue;
    const other = set.get(field.oneof);
    if (other !== undefined) throw place.wrong(`has both '${other}' and '${name}', of which there can be one`);
    set.set(field.oneof, name);
  }
}

function writeField(encoding: Encoding, field: Field, value: unknown): void {
  const { number, kind, entry, repeated, packed } = field;
  const { writer, place } = encoding;
  if (entry !== undefined) {
    writeMap(encoding, field, entry, value);
    return;
  }
  if (!repeated) {
    writeKind(encoding, number, kind, value);
    return;
  }
  if (!Array.isArray(value)) throw place.wrong(`must be an array, and is ${described(value)}`);
  if (packed && value.length > 0) writer.tag(number, DELIMITED);
  const start = packed && value.length > 0 ? writer.begin() : 0;
  for (let index = 0; index < value.length; index++) {
    place.enter(index);
    if (packed && kind.is === 'scalar') writeScalar(encoding, kind.type, value[index], kind.names);
    else writeKind(encoding, number, kind, value[index]);
    place.leave();
  }
  if (start > 0) writer.end(start);
}

function writeMap(encoding: Encoding, { number, kind }: Field, { key: keyType }: MapEntry, value: unknown): void {
  const { writer, place } = encoding;
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Map) {
    throw place.wrong(`must be an object of entries, and is ${described(value)}`);
  }
  for (const key of Object.keys(value)) {
    const member = (value as Readonly<Record<string, unknown>>)[key];
    if (member === undefined) continue;
    place.enter(key);
    writer.tag(number, DELIMITED);
    const start = writer.begin();
    writer.tag(KEY_NUMBER, WIRE[keyType]);
    writeScalar(encoding, keyType, keyOf(keyType, key));
    writeKind(encoding, VALUE_NUMBER, kind, member);
    writer.end(start);
    place.leave();
  }
}

/** Members of objects have texts as names, whatever the type of a map's keys is. What is no such key stays one for `writeScalar`. */
function keyOf(type: Scalar, key: string): unknown {
  if (type === 'bool') return key === 'true' ? true : key === 'false' ? false : key;
  return type === 'string' || type.endsWith('64') || !/^-?\d{1,10}$/.test(key) ? key : Number(key);
}

function writeKind(encoding: Encoding, number: number, kind: Kind, value: unknown): void {
  const { writer } = encoding;
  if (kind.is === 'scalar') {
    writer.tag(number, WIRE[kind.type]);
    writeScalar(encoding, kind.type, value, kind.names);
    return;
  }
  writer.tag(number, DELIMITED);
  const start = writer.begin();
  writeBody(encoding, kind, value);
  writer.end(start);
}

/** The fields of a message, without what says that it is one. */
export function writeBody(encoding: Encoding, kind: MessageKind, value: unknown): void {
  if (kind.is === 'message') writeMessage(encoding, kind.shape, value);
  else if (kind.plain === 'value') writeValue(encoding, value);
  else if (kind.plain === 'struct') writeStruct(encoding, value);
  else writeList(encoding, value);
}
