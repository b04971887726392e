import { Cursor, DELIMITED, VARINT } from './cursor.js';
import { readText } from './decode-scalar.js';

/** A sentence about what a step has sent. Nothing in it comes from the step but numbers. */
export interface Refusal {
  readonly refusal: string;
}

/** A message of the user's own type or a google.protobuf.Value: a view of the frame that it came in. */
export interface Payload {
  readonly kind: 'message' | 'value';
  readonly bytes: Uint8Array;
}

/** A table that the step says it has written. */
export interface TableClaim {
  readonly name: string;
  readonly descriptor: number;
  readonly bytes: number;
}

export type FromStep =
  | { readonly kind: 'log'; readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }
  | { readonly kind: 'message'; readonly payload: Payload }
  | { readonly kind: 'result'; readonly payload: Payload | undefined; readonly tables: readonly TableClaim[] }
  | { readonly kind: 'failure'; readonly type: string; readonly message: string; readonly traceback: string };

/** As many as a step can have outputs. */
export const MOST_TABLES = 64;
const NOTHING = new Uint8Array(0);

/** Reads the fields of a message: a reader for each number that it may have. The runtimes are ours, so anything else is no accident. */
function readFields(cursor: Cursor, what: string, readers: Readonly<Record<number, () => void>>, repeated = 0): void {
  const outer = cursor.enter(cursor.length());
  let seen = 0;
  for (let number = cursor.tag(); number !== 0; number = cursor.tag()) {
    const read = readers[number];
    if (read === undefined) cursor.fail(`${what} has an unknown field ${number}`);
    else if (number !== repeated && (seen & (1 << number)) !== 0) cursor.fail(`${what} has field ${number} twice`);
    else read();
    seen |= 1 << number;
  }
  cursor.leave(outer);
}

function expectWire(cursor: Cursor, what: string, wire: number): void {
  if (cursor.wire !== wire) cursor.fail(`${what} has the wire type ${cursor.wire}, and ${wire} is that of its type`);
}

function bytesOf(cursor: Cursor, what: string): Uint8Array {
  expectWire(cursor, what, DELIMITED);
  const length = cursor.length();
  const bytes = cursor.bytes.subarray(cursor.at, cursor.at + length);
  cursor.at += length;
  return bytes;
}

function textOf(cursor: Cursor, what: string): string {
  expectWire(cursor, what, DELIMITED);
  const start = cursor.at;
  cursor.checkText(cursor.length());
  if (cursor.problem !== undefined) return '';
  cursor.at = start;
  return readText(cursor);
}

function numberOf(cursor: Cursor, what: string): number {
  expectWire(cursor, what, VARINT);
  cursor.varint();
  const value = cursor.high * 2 ** 32 + cursor.low;
  if (!Number.isSafeInteger(value)) cursor.fail(`${what} is beyond 2^53`);
  return value;
}

/** What a frame says, or why it is refused. Never throws. */
export function readFromStep(frame: Uint8Array): FromStep | Refusal {
  const cursor = new Cursor(frame);
  const number = cursor.tag();
  let said: FromStep | undefined;
  if (number !== 0) {
    expectWire(cursor, 'the kind of the frame', DELIMITED);
    said = readKind(cursor, number);
    if (cursor.at < cursor.end) cursor.fail('it goes on after what it says');
  }
  if (cursor.problem !== undefined) return { refusal: `A frame is broken: ${cursor.problem}.` };
  return said ?? { refusal: 'A frame is broken: it says nothing.' };
}

function readKind(cursor: Cursor, number: number): FromStep | undefined {
  switch (number) {
    case 1:
      return readLog(cursor);
    case 2: {
      const payload = readPayloadField(cursor, 'its message');
      return { kind: 'message', payload };
    }
    case 3:
      return readResult(cursor);
    case 4:
      return readFailure(cursor);
    default:
      cursor.fail(`its kind is the unknown ${number}`);
      return undefined;
  }
}

function readLog(cursor: Cursor): FromStep {
  let stream = 0;
  let data: Uint8Array = NOTHING;
  readFields(cursor, 'its log', {
    1: () => (stream = numberOf(cursor, 'the stream of its log')),
    2: () => (data = bytesOf(cursor, 'the data of its log')),
  });
  if (stream > 1) cursor.fail(`its log is of the unknown stream ${stream}`);
  return { kind: 'log', stream: stream === 0 ? 'stdout' : 'stderr', data };
}

function readPayloadField(cursor: Cursor, what: string): Payload {
  let payload: Payload | undefined;
  const reader = (kind: Payload['kind']) => (): void => {
    if (payload !== undefined) cursor.fail(`${what} is both a message and a plain value`);
    payload = { kind, bytes: bytesOf(cursor, what) };
  };
  expectWire(cursor, what, DELIMITED);
  readFields(cursor, what, { 1: reader('message'), 2: reader('value') });
  if (payload === undefined) cursor.fail(`${what} is neither a message nor a plain value`);
  return payload ?? { kind: 'value', bytes: NOTHING };
}

function readResult(cursor: Cursor): FromStep {
  let payload: Payload | undefined;
  const tables: TableClaim[] = [];
  const readers = {
    1: () => (payload = readPayloadField(cursor, 'its result')),
    2: () => {
      if (tables.length === MOST_TABLES) cursor.fail(`its result has more than ${MOST_TABLES} tables`);
      else tables.push(readTable(cursor));
    },
  };
  readFields(cursor, 'its result', readers, 2);
  return { kind: 'result', payload, tables };
}

function readTable(cursor: Cursor): TableClaim {
  let name = '';
  let descriptor = 0;
  let bytes = 0;
  expectWire(cursor, 'a table', DELIMITED);
  readFields(cursor, 'a table', {
    1: () => (name = textOf(cursor, 'the name of a table')),
    2: () => (descriptor = numberOf(cursor, 'the descriptor of a table')),
    3: () => (bytes = numberOf(cursor, 'the length of a table')),
  });
  if (descriptor > 0xffff_ffff) cursor.fail('the descriptor of a table is beyond 2^32');
  return { name, descriptor, bytes };
}

function readFailure(cursor: Cursor): FromStep {
  let type = '';
  let message = '';
  let traceback = '';
  readFields(cursor, 'its failure', {
    1: () => (type = textOf(cursor, 'the type of its failure')),
    2: () => (message = textOf(cursor, 'the message of its failure')),
    3: () => (traceback = textOf(cursor, 'the traceback of its failure')),
  });
  return { kind: 'failure', type, message, traceback };
}
