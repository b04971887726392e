import { type Cursor, DELIMITED } from './cursor.js';
import { readScalar } from './decode-scalar.js';
import { type Decoded, dictionary, readList, readStruct, readValue } from './plain-decode.js';
import { defaultOf, WIRE } from './scalars.js';
import type { Field, Kind, MessageKind, Shape } from './shape.js';

function readMessage(cursor: Cursor, shape: Shape, into: Decoded): Decoded {
  for (let number = cursor.tag(); number !== 0; number = cursor.tag()) {
    const field = shape.byNumber.get(number);
    if (field === undefined) cursor.skip();
    else readField(cursor, shape, field, into);
  }
  return into;
}

/** A message without any field. */
function blank(shape: Shape): Decoded {
  const message = { ...shape.template };
  for (const { name, repeated, entry, absent } of shape.own) {
    message[name] = repeated ? [] : entry === undefined ? Uint8Array.from(absent as Uint8Array) : dictionary();
  }
  return message;
}

function readField(cursor: Cursor, shape: Shape, field: Field, into: Decoded): void {
  const { name, kind, repeated, entry, oneof } = field;
  if (entry !== undefined) {
    readEntry(cursor, field, into[name] as Decoded);
  } else if (repeated) {
    const values = into[name] as unknown[];
    if (kind.is === 'scalar' && cursor.wire === DELIMITED && WIRE[kind.type] !== DELIMITED) {
      const outer = cursor.enter(cursor.length());
      while (cursor.at < cursor.end) values.push(readScalar(cursor, kind.type));
      cursor.leave(outer);
    } else values.push(readKind(cursor, kind, undefined));
  } else {
    if (oneof !== undefined) unsetOthers(shape, field, into);
    into[name] = readKind(cursor, kind, into[name]);
  }
}

/** Of a oneof, the last one is there. */
function unsetOthers(shape: Shape, { name, oneof }: Field, into: Decoded): void {
  for (const other of shape.oneofs.get(oneof ?? '') ?? []) {
    if (other !== name && other in into) Reflect.deleteProperty(into, other);
  }
}

/** Parts may come in any order, and be missing. */
function readEntry(cursor: Cursor, { kind, entry }: Field, into: Decoded): void {
  const outer = cursor.enter(cursor.length());
  const keyType = entry?.key ?? 'string';
  let key = defaultOf(keyType);
  let value: unknown;
  for (let number = cursor.tag(); number !== 0; number = cursor.tag()) {
    if (number === 1) key = readScalar(cursor, keyType);
    else if (number === 2) value = readKind(cursor, kind, value);
    else cursor.skip();
  }
  cursor.leave(outer);
  into[String(key)] = value === undefined ? emptyOf(kind) : value;
}

function emptyOf(kind: Kind): unknown {
  if (kind.is === 'scalar') return defaultOf(kind.type);
  if (kind.is === 'message') return blank(kind.shape);
  return kind.plain === 'value' ? null : kind.plain === 'list' ? [] : dictionary();
}

/** @param before what the field was so far: messages that come in parts are put together. */
function readKind(cursor: Cursor, kind: Kind, before: unknown): unknown {
  if (kind.is === 'scalar') return readScalar(cursor, kind.type);
  const outer = cursor.enter(cursor.length());
  const value = readBody(cursor, kind, before);
  cursor.leave(outer);
  return value;
}

/** The value of a message, up to the cursor's end, that `checkMessage` found nothing wrong with. */
export function readBody(cursor: Cursor, kind: MessageKind, before: unknown): unknown {
  if (kind.is === 'message') return readMessage(cursor, kind.shape, (before ?? blank(kind.shape)) as Decoded);
  if (kind.plain === 'value') return readValue(cursor, before);
  return kind.plain === 'struct' ? readStruct(cursor, before) : readList(cursor, before);
}
