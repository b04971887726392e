/** A static program of a few machine instructions: needs no compiler and no library. */
export interface TinyPrograms {
  /** Asks for its pid and exits with status 7. */
  readonly ordinary: Buffer;
  /** Asks for its pid by call 20 of the 32-bit ABI that the same processor has, and exits with status 0. */
  readonly foreign: Buffer;
  /** The same by the x32 numbers, where there are such. */
  readonly x32?: Buffer;
}

const GETPID_32 = 20;
const EXIT_32 = 1;
const X32 = 0x40000000;

/** Where the one segment of a program is loaded. */
const ADDRESS = 0x400000;

/** For the processor of this machine, if it is one of those that the library knows. */
export function tinyPrograms(): TinyPrograms | undefined {
  if (process.arch === 'x64') return onX64();
  return process.arch === 'arm64' ? onArm64() : undefined;
}

function onX64(): TinyPrograms {
  const getpid = 39;
  const exit = (status: number): Buffer => x64Call(60, status);
  return {
    ordinary: elf64(62, [x64Call(getpid), exit(7)]),
    // `mov eax, number; int 0x80` is possible anywhere.
    foreign: elf64(62, [bytes([0xb8], words(GETPID_32), [0xcd, 0x80]), exit(0)]),
    x32: elf64(62, [x64Call(X32 | getpid), exit(0)]),
  };
}

/** `mov edi, argument; mov eax, number; syscall`. */
function x64Call(number: number, argument = 0): Buffer {
  return bytes([0xbf], words(argument), [0xb8], words(number), [0x0f, 0x05]);
}

function onArm64(): TinyPrograms {
  const [getpid, exit] = [172, 93];
  return {
    ordinary: elf64(183, [arm64Call(getpid), arm64Call(exit, 7)]),
    // The whole program is one of 32 bits: the processor changes over only when the kernel lets it.
    foreign: elf32(40, [armCall(GETPID_32), armCall(EXIT_32)]),
  };
}

/** `movz x0, argument; movz x8, number; svc 0`. */
function arm64Call(number: number, argument = 0): Buffer {
  return words(0xd2800000 | (argument << 5), 0xd2800008 | (number << 5), 0xd4000001);
}

/** `mov r0, 0; mov r7, number; svc 0`. */
function armCall(number: number): Buffer {
  return words(0xe3a00000, 0xe3a07000 | number, 0xef000000);
}

function elf64(machine: number, instructions: readonly Buffer[]): Buffer {
  const headers = 64 + 56;
  const code = Buffer.concat(instructions);
  const elf = Buffer.alloc(headers);
  identify(elf, 2, machine);
  elf.writeBigUInt64LE(BigInt(ADDRESS + headers), 24); // entry
  elf.writeBigUInt64LE(64n, 32); // program headers
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt32LE(1, 64); // PT_LOAD
  elf.writeUInt32LE(5, 68); // readable, executable
  elf.writeBigUInt64LE(BigInt(ADDRESS), 80);
  elf.writeBigUInt64LE(BigInt(ADDRESS), 88);
  elf.writeBigUInt64LE(BigInt(headers + code.length), 96);
  elf.writeBigUInt64LE(BigInt(headers + code.length), 104);
  elf.writeBigUInt64LE(4096n, 112);
  return Buffer.concat([elf, code]);
}

function elf32(machine: number, instructions: readonly Buffer[]): Buffer {
  const headers = 52 + 32;
  const code = Buffer.concat(instructions);
  const elf = Buffer.alloc(headers);
  identify(elf, 1, machine);
  elf.writeUInt32LE(ADDRESS + headers, 24); // entry
  elf.writeUInt32LE(52, 28); // program headers
  elf.writeUInt32LE(0x05000000, 36); // the ABI of ARM's Linux
  elf.writeUInt16LE(52, 40);
  elf.writeUInt16LE(32, 42);
  elf.writeUInt16LE(1, 44);
  [1, 0, ADDRESS, ADDRESS, headers + code.length, headers + code.length, 5, 4096].forEach((word, index) => {
    elf.writeUInt32LE(word, 52 + 4 * index);
  });
  return Buffer.concat([elf, code]);
}

function identify(elf: Buffer, bits: number, machine: number): void {
  elf.write('\x7fELF', 'latin1');
  elf.set([bits, 1, 1], 4); // little-endian
  elf.writeUInt16LE(2, 16); // executable
  elf.writeUInt16LE(machine, 18);
  elf.writeUInt32LE(1, 20);
}

function bytes(...parts: readonly (readonly number[] | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

function words(...values: readonly number[]): Buffer {
  const out = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => out.writeUInt32LE(value >>> 0, 4 * index));
  return out;
}
