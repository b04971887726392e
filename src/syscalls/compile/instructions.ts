/** The instructions of classic BPF that filters are made of. */
export const OPCODE = {
  LOAD_WORD: 0x20, // ld [k]
  AND: 0x54, // and #k
  JUMP: 0x05, // ja k
  JUMP_EQUAL: 0x15, // jeq #k
  JUMP_GREATER: 0x25, // jgt #k
  JUMP_AT_LEAST: 0x35, // jge #k
  JUMP_ANY_BIT: 0x45, // jset #k
  RETURN: 0x06, // ret #k
} as const;

/** `struct sock_filter`. Conditional jumps skip at most 255 instructions, and only forwards. */
export interface Instruction {
  readonly code: number;
  readonly whenTrue: number;
  readonly whenFalse: number;
  readonly value: number;
}

/** Bytes of one instruction. */
export const INSTRUCTION_SIZE = 8;

/** The kernel takes no longer program. */
export const LONGEST_PROGRAM = 4096;

/** `struct sock_filter[]`, little endian as both architectures are. */
export function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, whenTrue, whenFalse, value }] of instructions.entries()) {
    const at = index * INSTRUCTION_SIZE;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, whenTrue);
    view.setUint8(at + 3, whenFalse);
    view.setUint32(at + 4, value >>> 0, true);
  }
  return bytes;
}

export function decode(program: Uint8Array): Instruction[] {
  if (program.length % INSTRUCTION_SIZE !== 0) {
    throw new RangeError(`${program.length} bytes are not a whole number of instructions`);
  }
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  return Array.from({ length: program.length / INSTRUCTION_SIZE }, (_, index) => {
    const at = index * INSTRUCTION_SIZE;
    return {
      code: view.getUint16(at, true),
      whenTrue: view.getUint8(at + 2),
      whenFalse: view.getUint8(at + 3),
      value: view.getUint32(at + 4, true),
    };
  });
}
