import { decode, type Instruction } from './compile/instructions.js';
import { argumentOffset, SECCOMP_DATA } from './seccomp.js';
import type { SeccompData } from './types.js';

const MEMORY_WORDS = 16;

interface Machine {
  a: number;
  x: number;
  readonly memory: Uint32Array;
  readonly data: DataView;
}

/** Runs a program as the kernel would, and returns its `SECCOMP_RET_*` value. Throws for what the kernel would not load. */
export function evaluate(program: Uint8Array, data: SeccompData): number {
  const instructions = decode(program);
  const machine: Machine = { a: 0, x: 0, memory: new Uint32Array(MEMORY_WORDS), data: encodeData(data) };
  for (let at = 0; ; at += 1) {
    const instruction = instructions[at];
    if (instruction === undefined) throw new RangeError(`the program ends without a return, at ${at}`);
    const kind = instruction.code & 0x07;
    if (kind === 6) return returned(instruction, machine);
    if (kind === 5) at += jump(instruction, machine);
    else execute(instruction, machine, at);
  }
}

/** `struct seccomp_data` in memory. */
function encodeData({ nr, arch, instructionPointer = 0n, args }: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(SECCOMP_DATA.size));
  view.setUint32(SECCOMP_DATA.nr, nr >>> 0, true);
  view.setUint32(SECCOMP_DATA.arch, arch >>> 0, true);
  view.setBigUint64(SECCOMP_DATA.instructionPointer, BigInt.asUintN(64, instructionPointer), true);
  for (const [index, value] of args.entries()) {
    view.setBigUint64(argumentOffset(index), BigInt.asUintN(64, BigInt(value)), true);
  }
  return view;
}

function returned({ code, value }: Instruction, { a }: Machine): number {
  if (code === 0x06) return value;
  if (code === 0x16) return a;
  throw unknown(code);
}

/** How many instructions to skip. */
function jump({ code, whenTrue, whenFalse, value }: Instruction, { a, x }: Machine): number {
  const operand = code & 0x08 ? x : value;
  switch (code & 0xf0) {
    case 0x00:
      return value;
    case 0x10:
      return a === operand ? whenTrue : whenFalse;
    case 0x20:
      return a > operand ? whenTrue : whenFalse;
    case 0x30:
      return a >= operand ? whenTrue : whenFalse;
    case 0x40:
      return a & operand ? whenTrue : whenFalse;
    default:
      throw unknown(code);
  }
}

function execute({ code, value }: Instruction, machine: Machine, at: number): void {
  if ((code & 0x07) === 4) {
    machine.a = calculate(code, machine.a, code & 0x08 ? machine.x : value) >>> 0;
    return;
  }
  switch (code) {
    case 0x20: // ld [k]
      machine.a = loadWord(machine.data, value, at);
      return;
    case 0x00: // ld #k
      machine.a = value;
      return;
    case 0x01: // ldx #k
      machine.x = value;
      return;
    case 0x60: // ld M[k]
      machine.a = machine.memory[slot(value)] ?? 0;
      return;
    case 0x61: // ldx M[k]
      machine.x = machine.memory[slot(value)] ?? 0;
      return;
    case 0x02: // st M[k]
      machine.memory[slot(value)] = machine.a;
      return;
    case 0x03: // stx M[k]
      machine.memory[slot(value)] = machine.x;
      return;
    case 0x80: // ld len
      machine.a = SECCOMP_DATA.size;
      return;
    case 0x81: // ldx len
      machine.x = SECCOMP_DATA.size;
      return;
    case 0x07: // tax
      machine.x = machine.a;
      return;
    case 0x87: // txa
      machine.a = machine.x;
      return;
    default:
      throw unknown(code);
  }
}

function calculate(code: number, a: number, operand: number): number {
  switch (code & 0xf0) {
    case 0x00:
      return a + operand;
    case 0x10:
      return a - operand;
    case 0x20:
      return Math.imul(a, operand);
    case 0x30:
      return operand === 0 ? 0 : Math.floor(a / operand);
    case 0x40:
      return a | operand;
    case 0x50:
      return a & operand;
    case 0x60:
      return a << operand;
    case 0x70:
      return a >>> operand;
    case 0x80:
      return -a;
    case 0xa0:
      return a ^ operand;
    default:
      throw unknown(code);
  }
}

function loadWord(data: DataView, offset: number, at: number): number {
  if (offset % 4 !== 0 || offset >= SECCOMP_DATA.size) throw new RangeError(`load from ${offset}, at ${at}`);
  return data.getUint32(offset, true);
}

function slot(index: number): number {
  if (index >= MEMORY_WORDS) throw new RangeError(`there is no M[${index}]`);
  return index;
}

function unknown(code: number): RangeError {
  return new RangeError(`a filter may not use instruction 0x${code.toString(16)}`);
}
