import { nameOfCall } from '../syscalls/index.js';

const AUDIT_ARCH_X86_64 = 0xc000003e;
const AUDIT_ARCH_AARCH64 = 0xc00000b7;

/** The name of a system call as the kernel told it: by number and architecture. */
export function syscallName(number: number, auditArch: number): string {
  const architecture = auditArch === AUDIT_ARCH_X86_64 ? 'x64' : auditArch === AUDIT_ARCH_AARCH64 ? 'arm64' : undefined;
  if (architecture === undefined) return `system call ${number} of a foreign ABI`;
  return nameOfCall(number, architecture) ?? `system call ${number}`;
}
