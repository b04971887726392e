import { decode, OPCODE, type Instruction } from './compile/instructions.js';
import { ERRNO } from './errno.js';
import { SECCOMP_RET } from './seccomp.js';

/** One line per instruction, with its place and the places it may jump to. */
export function disassemble(program: Uint8Array): string {
  const instructions = decode(program);
  const width = String(instructions.length).length;
  return instructions
    .map((instruction, at) => `${String(at).padStart(width)}: ${describe(instruction, at)}`)
    .join('\n');
}

const JUMPS: Readonly<Record<number, string>> = {
  [OPCODE.JUMP_EQUAL]: '==',
  [OPCODE.JUMP_GREATER]: '>',
  [OPCODE.JUMP_AT_LEAST]: '>=',
  [OPCODE.JUMP_ANY_BIT]: '&',
};

function describe(instruction: Instruction, at: number): string {
  const { code, value, whenTrue, whenFalse } = instruction;
  const comparison = JUMPS[code];
  if (comparison !== undefined) {
    return `if ${comparison} ${hexadecimal(value)} goto ${at + 1 + whenTrue} else ${at + 1 + whenFalse}`;
  }
  switch (code) {
    case OPCODE.LOAD_WORD:
      return `load ${nameOfWord(value)}`;
    case OPCODE.AND:
      return `and ${hexadecimal(value)}`;
    case OPCODE.JUMP:
      return `goto ${at + 1 + value}`;
    case OPCODE.RETURN:
      return `return ${nameOfReturn(value)}`;
    default:
      return `code ${hexadecimal(code)} ${hexadecimal(value)} ${whenTrue} ${whenFalse}`;
  }
}

function nameOfWord(offset: number): string {
  if (offset === 0) return 'number';
  if (offset === 4) return 'architecture';
  if (offset < 16) return `instruction pointer ${offset === 8 ? 'low' : 'high'}`;
  return `argument ${(offset - 16) >> 3} ${offset % 8 === 0 ? 'low' : 'high'}`;
}

function nameOfReturn(value: number): string {
  const action = (value & 0xffff0000) >>> 0;
  const name = Object.entries(SECCOMP_RET).find(([, known]) => known === action)?.[0] ?? hexadecimal(action);
  const data = value & 0xffff;
  if (action !== SECCOMP_RET.ERRNO) return data === 0 ? name : `${name} ${data}`;
  return `${name} ${Object.entries(ERRNO).find(([, number]) => number === data)?.[0] ?? data}`;
}

function hexadecimal(value: number): string {
  return `0x${value.toString(16)}`;
}
