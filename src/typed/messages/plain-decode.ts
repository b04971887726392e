import type { Cursor } from './cursor.js';
import { readDouble, readText } from './decode-scalar.js';

export type Decoded = Record<string, unknown>;

const NULL = 1;
const NUMBER = 2;
const TEXT = 3;
const BOOLEAN = 4;
const STRUCT = 5;
const LIST = 6;

/** Without a prototype, `__proto__` and `constructor` are keys like others. */
export function dictionary(): Decoded {
  return Object.create(null) as Decoded;
}

/** A google.protobuf.Value up to the cursor's end. The last kind wins, and parts of one object or array are put together. */
export function readValue(cursor: Cursor, before: unknown): unknown {
  let value = before ?? null;
  for (let number = cursor.tag(); number !== 0; number = cursor.tag()) {
    if (number === NUMBER) {
      cursor.fixed64();
      value = readDouble(cursor);
    } else if (number === TEXT) value = readText(cursor);
    else if (number === BOOLEAN || number === NULL) {
      cursor.varint();
      value = number === NULL ? null : cursor.low !== 0 || cursor.high !== 0;
    } else if (number === STRUCT || number === LIST) {
      const outer = cursor.enter(cursor.length());
      value = number === STRUCT ? readStruct(cursor, value) : readList(cursor, value);
      cursor.leave(outer);
    } else cursor.skip();
  }
  return value;
}

export function readStruct(cursor: Cursor, before: unknown): Decoded {
  const isObject = typeof before === 'object' && before !== null && !Array.isArray(before);
  const into = isObject ? (before as Decoded) : dictionary();
  for (let number = cursor.tag(); number !== 0; number = cursor.tag()) {
    if (number !== 1) {
      cursor.skip();
      continue;
    }
    const outer = cursor.enter(cursor.length());
    readMember(cursor, into);
    cursor.leave(outer);
  }
  return into;
}

function readMember(cursor: Cursor, into: Decoded): void {
  let key = '';
  let value: unknown = null;
  for (let number = cursor.tag(); number !== 0; number = cursor.tag()) {
    if (number === 1) key = readText(cursor);
    else if (number === 2) {
      const outer = cursor.enter(cursor.length());
      value = readValue(cursor, value);
      cursor.leave(outer);
    } else cursor.skip();
  }
  into[key] = value;
}

export function readList(cursor: Cursor, before: unknown): unknown[] {
  const into = Array.isArray(before) ? (before as unknown[]) : [];
  for (let number = cursor.tag(); number !== 0; number = cursor.tag()) {
    if (number !== 1) {
      cursor.skip();
      continue;
    }
    const outer = cursor.enter(cursor.length());
    into.push(readValue(cursor, null));
    cursor.leave(outer);
  }
  return into;
}
