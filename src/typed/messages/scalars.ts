import { DELIMITED, FIXED32, FIXED64, VARINT } from './cursor.js';

/** The scalar types of protobuf and their wire types. An enum is an int32 that is not confined to its names. */
export const WIRE = {
  double: FIXED64,
  float: FIXED32,
  int32: VARINT,
  uint32: VARINT,
  sint32: VARINT,
  fixed32: FIXED32,
  sfixed32: FIXED32,
  int64: VARINT,
  uint64: VARINT,
  sint64: VARINT,
  fixed64: FIXED64,
  sfixed64: FIXED64,
  bool: VARINT,
  string: DELIMITED,
  bytes: DELIMITED,
} as const;

export type Scalar = keyof typeof WIRE;

export function isScalar(type: string): type is Scalar {
  return Object.hasOwn(WIRE, type);
}

/** What a field of the type is when it is absent and its schema says nothing else. */
export function defaultOf(type: Scalar): unknown {
  if (type.endsWith('64')) return 0n;
  if (type === 'string') return '';
  if (type === 'bytes') return new Uint8Array(0);
  return type === 'bool' ? false : 0;
}

/** The bounds of the types of whole numbers of 32 bits. */
export function bounds32(type: Scalar): readonly [number, number] {
  return type === 'uint32' || type === 'fixed32' ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
}

export function bounds64(type: Scalar): readonly [bigint, bigint] {
  return type === 'uint64' || type === 'fixed64' ? [0n, 2n ** 64n - 1n] : [-(2n ** 63n), 2n ** 63n - 1n];
}
