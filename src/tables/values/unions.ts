import type { Views } from '../views.js';

/** Lengths of a union's children by type id; -1 for an id that it does not have. */
export function lengthsById(typeIds: readonly number[], lengths: readonly number[]): Float64Array {
  const byId = new Float64Array(256).fill(-1);
  for (const [index, id] of typeIds.entries()) byId[id] = lengths[index] ?? -1;
  return byId;
}

/** The first type id that the union does not have, or -1. */
export function wrongTypeId({ u8 }: Views, at: number, length: number, byId: Float64Array): number {
  for (let index = 0; index < length; index++) {
    if ((byId[u8[at + index] as number] as number) < 0) return index;
  }
  return -1;
}

/** The first value of a dense union, with type ids that were checked, whose offset is outside its child, or before the one before; or -1. */
export function wrongDenseOffset(
  { u8, i32 }: Views,
  typeIds: number,
  offsets: number,
  length: number,
  byId: Float64Array,
): number {
  const latest = new Int32Array(256);
  for (let index = 0; index < length; index++) {
    const id = u8[typeIds + index] as number;
    const offset = i32[offsets / 4 + index] as number;
    if (offset < (latest[id] as number) || offset >= (byId[id] as number)) return index;
    latest[id] = offset;
  }
  return -1;
}
