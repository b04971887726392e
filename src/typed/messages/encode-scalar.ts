import type { Encoding } from './plain-encode.js';
import { bounds32, bounds64, type Scalar } from './scalars.js';
import { described } from './wrong.js';

/** @param names of the numbers of an enum, which are taken as well */
export function writeScalar(
  encoding: Encoding,
  type: Scalar,
  value: unknown,
  names?: Readonly<Record<string, number>>,
): void {
  const { writer, place } = encoding;
  switch (type) {
    case 'string':
      if (typeof value !== 'string') throw place.wrong(`must be a string, and is ${described(value)}`);
      if (!writer.text(value)) throw place.wrong('has half of a surrogate pair, which is no text');
      return;
    case 'bytes':
      if (!(value instanceof Uint8Array)) {
        throw place.wrong(`must be a Uint8Array, and is ${described(value)}`, 'Buffer.from() makes one of a text.');
      }
      {
        writer.bytes(value);
        return;
      }
    case 'bool':
      if (typeof value !== 'boolean') throw place.wrong(`must be true or false, and is ${described(value)}`);
      {
        writer.byte(value ? 1 : 0);
        return;
      }
    case 'double':
    case 'float':
      if (typeof value !== 'number') throw place.wrong(`must be a number, and is ${described(value)}`);
      if (type === 'double') {
        writer.double(value);
        return;
      }
      if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) {
        throw place.wrong(`is ${value}, and a float holds no more than about 3.4e38`);
      }
      {
        writer.float(value);
        return;
      }
    case 'int32':
    case 'uint32':
    case 'sint32':
    case 'fixed32':
    case 'sfixed32': {
      write32(encoding, type, whole32(encoding, type, value, names));
      return;
    }
    default: {
      write64(encoding, type, whole64(encoding, type, value));
      return;
    }
  }
}

function whole32(
  { place }: Encoding,
  type: Scalar,
  value: unknown,
  names: Readonly<Record<string, number>> | undefined,
): number {
  if (typeof value === 'string' && names !== undefined) {
    const number = Object.hasOwn(names, value) ? names[value] : undefined;
    if (number !== undefined) return number;
    throw place.wrong(`must be a number or one of ${Object.keys(names).join(', ')}, and is ${described(value)}`);
  }
  const [lowest, highest] = bounds32(type);
  if (typeof value === 'number' && Number.isInteger(value) && value >= lowest && value <= highest) return value;
  throw place.wrong(`must be a whole number from ${lowest} to ${highest}, and is ${described(value)}`);
}

function write32({ writer }: Encoding, type: Scalar, value: number): void {
  if (type === 'fixed32' || type === 'sfixed32') {
    writer.fixed32(value >>> 0);
    return;
  }
  if (type === 'sint32') {
    writer.varint(((value << 1) ^ (value >> 31)) >>> 0);
    return;
  }
  // A negative int32 is written as the int64 that it is, so that a reader may take it for either.
  if (value < 0) {
    writer.bigVarint(BigInt.asUintN(64, BigInt(value)));
    return;
  }
  writer.varint(value);
}

/** A `Long` of the package long is taken for what it stands for; so is a number as far as it is exact. */
function whole64({ place }: Encoding, type: Scalar, value: unknown): bigint {
  const [lowest, highest] = bounds64(type);
  const number = toBigInt(value);
  if (number !== undefined && number >= lowest && number <= highest) return number;
  const problem = `must be a whole number from ${lowest} to ${highest}, and is ${described(value)}`;
  const inexact = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value);
  throw place.wrong(problem, inexact ? 'Numbers beyond 2^53 are not exact: pass a bigint.' : undefined);
}

/** What stands for a whole number of 64 bits. */
export function toBigInt(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value === 'string') return /^-?\d{1,20}$/.test(value) ? BigInt(value) : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  const { low, high, unsigned } = value as { low?: unknown; high?: unknown; unsigned?: unknown };
  if (typeof low !== 'number' || typeof high !== 'number') return undefined;
  if (!Number.isInteger(low) || !Number.isInteger(high)) return undefined;
  const bits = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return unsigned === true ? bits : BigInt.asIntN(64, bits);
}

function write64({ writer }: Encoding, type: Scalar, value: bigint): void {
  const bits = BigInt.asUintN(64, value);
  if (type === 'fixed64' || type === 'sfixed64') {
    writer.fixed64(bits);
    return;
  }
  if (type === 'sint64') {
    writer.bigVarint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));
    return;
  }
  writer.bigVarint(bits);
}
