/** Where the one segment of the program is loaded. */
const ADDRESS = 0x400000;
const HEADERS = 64 + 56;

/** A static x86-64 program of a few machine instructions: needs no compiler and no library. */
export function tinyProgram(...instructions: readonly (readonly number[])[]): Buffer {
  const code = Buffer.from(instructions.flat());
  const elf = Buffer.alloc(HEADERS);
  elf.write('\x7fELF\x02\x01\x01', 'latin1'); // 64 bits, little-endian
  elf.writeUInt16LE(2, 16); // executable
  elf.writeUInt16LE(62, 18); // x86-64
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(BigInt(ADDRESS + HEADERS), 24); // entry
  elf.writeBigUInt64LE(64n, 32); // program headers
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt32LE(1, 64); // PT_LOAD
  elf.writeUInt32LE(5, 68); // readable, executable
  elf.writeBigUInt64LE(BigInt(ADDRESS), 80);
  elf.writeBigUInt64LE(BigInt(ADDRESS), 88);
  elf.writeBigUInt64LE(BigInt(HEADERS + code.length), 96);
  elf.writeBigUInt64LE(BigInt(HEADERS + code.length), 104);
  elf.writeBigUInt64LE(4096n, 112);
  return Buffer.concat([elf, code]);
}

/** `mov eax, number; int 0x80`: the 32-bit entry. */
export function call32(number: number): readonly number[] {
  return [0xb8, ...littleEndian(number), 0xcd, 0x80];
}

/** `mov edi, argument; mov eax, number; syscall`. */
export function call64(number: number, argument = 0): readonly number[] {
  return [0xbf, ...littleEndian(argument), 0xb8, ...littleEndian(number), 0x0f, 0x05];
}

/** Leaves with a status. */
export function exit(status: number): readonly number[] {
  return call64(60, status);
}

function littleEndian(number: number): readonly number[] {
  return [0, 8, 16, 24].map((shift) => (number >>> shift) & 0xff);
}
