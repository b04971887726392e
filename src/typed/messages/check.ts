import { Cursor, DELIMITED, FIXED32, FIXED64, VARINT } from './cursor.js';
import { WIRE } from './scalars.js';
import type { Field, MessageKind, Shape } from './shape.js';

export interface Bounds {
  /** How deep messages, or plain objects and arrays, may be nested. */
  readonly maxDepth: number;
  /** What a message may consist of: fields that are there, values, entries, nested messages. Each takes up to 256 bytes of heap. */
  readonly maxElements: number;
}

/** What a walk over a message shares. */
interface Walk {
  readonly cursor: Cursor;
  readonly bounds: Bounds;
  elements: number;
}

/** Why a message cannot be read; `undefined` when `readBody` can. Nothing is decoded, and next to nothing allocated. */
export function checkMessage(bytes: Uint8Array, { shape }: MessageKind, bounds: Bounds): string | undefined {
  const cursor = new Cursor(bytes);
  const walk = { cursor, bounds, elements: 0 };
  count(walk, shape.cost);
  checkFields(walk, shape, shape.levels);
  return cursor.problem;
}

function checkFields(walk: Walk, shape: Shape, depth: number): void {
  const { cursor } = walk;
  if (depth > walk.bounds.maxDepth) cursor.fail(`it is nested deeper than ${walk.bounds.maxDepth} levels (maxDepth)`);
  const seen = shape.required.length === 0 ? undefined : new Set<number>();
  let fields = 0;
  for (let number = cursor.tag(); number !== 0; number = cursor.tag()) {
    const field = shape.byNumber.get(number);
    count(walk, shape.levels);
    if (field === undefined) {
      cursor.skip();
      continue;
    }
    fields++;
    seen?.add(number);
    checkField(walk, field, depth);
  }
  if (shape.chooses && fields === 0) cursor.fail('a plain value is there and says of no kind that it is');
  if (seen === undefined) return;
  const missing = shape.required.find(({ number }) => !seen.has(number));
  if (missing !== undefined) cursor.fail(`the required field '${missing.name}' is missing`);
}

function checkField(walk: Walk, field: Field, depth: number): void {
  const { cursor } = walk;
  const { kind, entry } = field;
  if (entry !== undefined || kind.is !== 'scalar') {
    if (cursor.wire !== DELIMITED) {
      wrongWire(cursor, field);
      return;
    }
    const shape = entry?.shape ?? (kind as MessageKind).shape;
    const outer = cursor.enter(cursor.length());
    if (field.free !== true && kind.is !== 'scalar') count(walk, kind.shape.cost);
    checkFields(walk, shape, depth + shape.levels);
    cursor.leave(outer);
    return;
  }
  const wire = WIRE[kind.type];
  if (wire === DELIMITED) {
    if (cursor.wire !== DELIMITED) {
      wrongWire(cursor, field);
      return;
    }
    const length = cursor.length();
    if (kind.type === 'string') cursor.checkText(length);
    else cursor.at += length;
  } else if (cursor.wire === wire) cursor.skip();
  else if (field.repeated && cursor.wire === DELIMITED) checkPacked(walk, wire);
  else wrongWire(cursor, field);
}

function checkPacked(walk: Walk, wire: typeof VARINT | typeof FIXED64 | typeof FIXED32): void {
  const { cursor } = walk;
  const length = cursor.length();
  if (wire !== VARINT) {
    const size = wire === FIXED64 ? 8 : 4;
    if (length % size !== 0) {
      cursor.fail(`packed numbers of ${size} bytes end after ${length} bytes`);
      return;
    }
    count(walk, length / size);
    cursor.at += length;
    return;
  }
  const outer = cursor.enter(length);
  while (cursor.at < cursor.end) {
    cursor.varint();
    count(walk, 1);
  }
  cursor.leave(outer);
}

function count(walk: Walk, elements: number): void {
  walk.elements += elements;
  if (walk.elements <= walk.bounds.maxElements) return;
  walk.cursor.fail(`it has more than ${walk.bounds.maxElements} elements (maxElements)`);
}

function wrongWire(cursor: Cursor, { name, number }: Field): void {
  cursor.fail(`field ${number}, '${name}', has the wire type ${cursor.wire}, which is not that of its type`);
}
