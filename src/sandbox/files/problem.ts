import { constants } from 'node:os';
import { basename } from 'node:path';
import { SandboxError, type SandboxErrorDetails } from '../../errors.js';
import { quoted } from '../../quoted.js';
import { systemReason } from '../../system-reason.js';
import { Malformed } from './frames.js';

/** A path in a message. */
const LONGEST = 200;

/** What was being done, for the sentence, and to what. */
export interface Deed {
  /** As in "Cannot read". */
  readonly verb: string;
  readonly path: string;
}

interface Call {
  readonly syscall?: string;
  /** Instead of the system's reason. */
  readonly reason?: string;
  readonly remedy?: string;
}

/** By number, as in native/sandbox/files.h. */
const CALLS: readonly (Call | undefined)[] = [
  undefined,
  { syscall: 'open' },
  { syscall: 'read' },
  { syscall: 'write' },
  { syscall: 'stat' },
  { syscall: 'getdents' },
  { syscall: 'mkdir' },
  { syscall: 'symlink' },
  { syscall: 'readlink' },
  { syscall: 'rename' },
  { syscall: 'unlink' },
  { syscall: 'chmod' },
  { reason: 'it is no regular file' },
  { reason: 'there are more bytes than the limit allows', remedy: 'Raise limit.' },
  { reason: 'there are more entries than the limit allows', remedy: 'Raise limit of list(), or entries of a copy.' },
  {
    reason: 'there are more directories within each other than the limit allows',
    remedy: 'Raise depth; 64 is the most.',
  },
  { reason: 'what was sent was not understood or not complete' },
];

export function filesError(deed: Deed, reason: string, details: SandboxErrorDetails = {}): SandboxError {
  return new SandboxError('ERR_FILES', `Cannot ${deed.verb} ${quoted(deed.path, LONGEST)} of the sandbox: ${reason}.`, {
    path: deed.path,
    ...details,
  });
}

/**
 * The sentence for what the command inside says that it could not do: its claim.
 *
 * @throws Malformed
 */
export function problemOf(deed: Deed, payload: Buffer): SandboxError {
  if (payload.length < 5) throw new Malformed('problem that is too short');
  const call = CALLS[payload.readUInt8(0)];
  const errno = payload.readUInt32LE(1);
  if (call === undefined || errno === 0 || errno > 4095) throw new Malformed('problem of unknown kind');
  const where = payload.subarray(5).toString();
  const reason = call.reason ?? systemReason(errno);
  return filesError(deed, where === '' || where === deed.path ? reason : `${reason} (${quoted(where, LONGEST)})`, {
    errno,
    syscall: call.syscall,
    remedy: call.remedy,
  });
}

export function tooLong(deed: Deed): SandboxError {
  return filesError(deed, 'there are more bytes than the limit allows', {
    errno: constants.errno.EFBIG,
    remedy: 'Raise limit.',
  });
}

export function tooMany(deed: Deed): SandboxError {
  return filesError(deed, 'there are more entries than the limit allows', { remedy: 'Raise entries.' });
}

/** Of what the app itself does on the host, at or below `hostPath`. */
export function hostFailed(deed: Deed, error: unknown, hostPath: unknown): unknown {
  if (!(error instanceof Error) || error instanceof SandboxError) return error;
  const { errno, syscall, path, message } = error as NodeJS.ErrnoException;
  const reason = errno === undefined ? message : systemReason(Math.abs(errno));
  const name = path === undefined ? '' : ` (${quoted(basename(path), LONGEST)})`;
  return filesError(deed, `on the host, at ${quoted(String(hostPath), LONGEST)}: ${reason}${name}`, {
    cause: error,
    syscall,
    errno: errno === undefined ? undefined : Math.abs(errno),
  });
}

/** Somebody in the sandbox has had a hand in it. */
export function notUnderstood(deed: Deed, cause: unknown): SandboxError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return filesError(deed, `what came from inside is not what it must be: ${why}`, {
    errno: constants.errno.EPROTO,
    cause,
    remedy: 'A command in the sandbox may have interfered.',
  });
}
