/** All bytes of a file, as numbers of each width. Buffers begin at multiples of 8, so any of them is at a whole index. */
export interface Views {
  readonly bytes: Uint8Array;
  readonly u8: Uint8Array;
  readonly i8: Int8Array;
  readonly i16: Int16Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
}

/** Little-endian machines only, which all that Node and this library run on are. Bytes that are not aligned are copied. */
export function viewsOf(given: Uint8Array): Views {
  const bytes = given.byteOffset % 8 === 0 ? given : given.slice();
  const { buffer, byteOffset, length } = bytes;
  return {
    bytes,
    u8: bytes,
    i8: new Int8Array(buffer, byteOffset, length),
    i16: new Int16Array(buffer, byteOffset, Math.floor(length / 2)),
    u16: new Uint16Array(buffer, byteOffset, Math.floor(length / 2)),
    i32: new Int32Array(buffer, byteOffset, Math.floor(length / 4)),
    u32: new Uint32Array(buffer, byteOffset, Math.floor(length / 4)),
  };
}

/** Where a buffer is in the file, and its bytes. */
export interface Place {
  readonly at: number;
  readonly size: number;
}
