import { nameOfCall } from '../syscalls/index.js';

const AUDIT_ARCH_X86_64 = 0xc000003e;
const AUDIT_ARCH_AARCH64 = 0xc00000b7;

/** Names the system call that the kernel told of by number and architecture: `ptrace`, or `number 11 of a foreign ABI`. */
export function syscallName(number: number, auditArch: number): string {
  const architecture = auditArch === AUDIT_ARCH_X86_64 ? 'x64' : auditArch === AUDIT_ARCH_AARCH64 ? 'arm64' : undefined;
  if (architecture === undefined) return `number ${number} of a foreign ABI`;
  return nameOfCall(number, architecture) ?? `number ${number}`;
}
