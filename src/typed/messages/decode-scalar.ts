import type { Cursor } from './cursor.js';
import type { Scalar } from './scalars.js';

const FLOATS = new DataView(new ArrayBuffer(8));

export function readScalar(cursor: Cursor, type: Scalar): unknown {
  switch (type) {
    case 'string':
      return readText(cursor);
    case 'bytes': {
      const length = cursor.length();
      const copy = new Uint8Array(length);
      copy.set(cursor.bytes.subarray(cursor.at, cursor.at + length));
      cursor.at += length;
      return copy;
    }
    case 'double':
    case 'fixed64':
    case 'sfixed64':
      cursor.fixed64();
      return type === 'double' ? readDouble(cursor) : readBig(cursor, type === 'fixed64');
    case 'float':
    case 'fixed32':
    case 'sfixed32':
      cursor.fixed32();
      if (type !== 'float') return type === 'fixed32' ? cursor.low : cursor.low | 0;
      FLOATS.setUint32(0, cursor.low);
      return FLOATS.getFloat32(0);
    default:
      cursor.varint();
      return fromVarint(cursor, type);
  }
}

function fromVarint(cursor: Cursor, type: Exclude<Scalar, 'string' | 'bytes'>): unknown {
  const { low } = cursor;
  switch (type) {
    case 'bool':
      return low !== 0 || cursor.high !== 0;
    case 'uint32':
      return low;
    case 'sint32':
      return (low >>> 1) ^ -(low & 1);
    case 'uint64':
      return readBig(cursor, true);
    case 'int64':
      return readBig(cursor, false);
    case 'sint64': {
      const zigzag = readBig(cursor, true);
      return (zigzag >> 1n) ^ -(zigzag & 1n);
    }
    default:
      return low | 0;
  }
}

export function readDouble({ low, high }: Cursor): number {
  FLOATS.setUint32(0, high);
  FLOATS.setUint32(4, low);
  return FLOATS.getFloat64(0);
}

function readBig({ low, high }: Cursor, unsigned: boolean): bigint {
  if (high === 0) return BigInt(low);
  FLOATS.setUint32(0, high);
  FLOATS.setUint32(4, low);
  return unsigned ? FLOATS.getBigUint64(0) : FLOATS.getBigInt64(0);
}

/** Up to here it is faster to put characters together than to ask for a text. */
const SHORT = 12;

export function readText(cursor: Cursor): string {
  const length = cursor.length();
  const { bytes, at: start } = cursor;
  const end = (cursor.at = start + length);
  if (length <= SHORT) {
    let text = '';
    let at = start;
    for (; at < end; at++) {
      const byte = bytes[at] ?? 0x80;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (at === end) return text;
  }
  return cursor.buffer.toString('utf8', start, end);
}
