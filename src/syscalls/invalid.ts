import { SandboxError } from '../errors.js';

/** The error for a policy that cannot be meant. */
export function invalid(message: string, cause?: unknown): SandboxError {
  return new SandboxError('ERR_INVALID_OPTION', `syscalls: ${message}`, { cause });
}
