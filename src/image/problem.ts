import { basename } from 'node:path';
import { SandboxError, type SandboxErrorDetails } from '../errors.js';
import { quoted } from '../quoted.js';
import { systemReason } from '../system-reason.js';

const LONGEST = 200;

/** What an image is, or has, that it must not: the reader of it does not know the image's name, who called it does. */
export class ImageProblem extends Error {
  readonly remedy: string | undefined;

  constructor(reason: string, remedy?: string) {
    super(reason);
    this.remedy = remedy;
  }
}

/** A name from an image, for a message. */
export function named(name: string | Uint8Array): string {
  return quoted(typeof name === 'string' ? name : Buffer.from(name).toString(), LONGEST);
}

/** Every failure of unpacking, as one sentence. */
export function imageError(source: string, error: unknown, signal: AbortSignal | undefined): unknown {
  if (error instanceof SandboxError) return error;
  if (signal?.aborted === true) return refuse(source, 'it was aborted', { cause: signal.reason });
  if (error instanceof ImageProblem) return refuse(source, error.message, { remedy: error.remedy });
  if (!(error instanceof Error)) return error;
  const { errno, code, syscall, path, message } = error as NodeJS.ErrnoException;
  if (errno === undefined || syscall === undefined) {
    return refuse(source, `it cannot be read: ${quoted(message, LONGEST)}`, { cause: error });
  }
  const number = Math.abs(errno);
  const where = path === undefined ? '' : ` (${named(basename(path))})`;
  const reason = `${syscall}: ${systemReason(number)}${where}`;
  const remedy = code === 'ENOSPC' || code === 'EDQUOT' ? 'Choose a directory with more space.' : undefined;
  return refuse(source, reason, { cause: error, errno: number, syscall, remedy });
}

function refuse(source: string, reason: string, details: SandboxErrorDetails): SandboxError {
  return new SandboxError('ERR_IMAGE', `Cannot unpack the image ${quoted(source, LONGEST)}: ${reason}.`, {
    path: source,
    ...details,
  });
}
