import { SandboxError } from '../errors.js';
import { ARM64_SYSCALLS } from './tables/arm64.js';
import { X64_SYSCALLS } from './tables/x64.js';
import type { Architecture } from './types.js';

/** What a filter must know about a machine. */
interface ArchitectureFacts {
  /** `AUDIT_ARCH_*` of the native ABI. */
  readonly audit: number;
  /** `AUDIT_ARCH_*` of the 32-bit ABI that the same processor runs. */
  readonly foreignAudit: number;
  /** Call numbers that are another ABI although `audit` is native, first and last. */
  readonly foreignNumbers?: readonly [number, number];
  readonly table: Readonly<Record<string, number>>;
}

export const ARCHITECTURES: Readonly<Record<Architecture, ArchitectureFacts>> = {
  x64: {
    audit: 0xc000003e,
    foreignAudit: 0x40000003, // i386, by int 0x80
    foreignNumbers: [0x40000000, 0x7fffffff], // x32; above are the negative numbers, which are no call at all
    table: X64_SYSCALLS,
  },
  arm64: {
    audit: 0xc00000b7,
    foreignAudit: 0x40000028, // arm
    table: ARM64_SYSCALLS,
  },
};

/** The architecture of this process. */
export function nativeArchitecture(): Architecture {
  if (process.arch === 'x64' || process.arch === 'arm64') return process.arch;
  throw new SandboxError(
    'ERR_UNSUPPORTED_PLATFORM',
    `There is no system call table for ${process.arch}: only x64 and arm64 are supported.`,
  );
}

/** Whether any architecture has a call of this name. */
export function isKnownCall(name: string): boolean {
  return Object.values(ARCHITECTURES).some(({ table }) => Object.hasOwn(table, name));
}

/** The name of a call, if it has one. */
export function nameOfCall(number: number, architecture: Architecture): string | undefined {
  return Object.entries(ARCHITECTURES[architecture].table).find(([, value]) => value === number)?.[0];
}
