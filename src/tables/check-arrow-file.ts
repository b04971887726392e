import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { expectText } from '../options/check.js';
import { SandboxError } from '../errors.js';
import { loadAddon } from '../spawner/locate.js';
import { systemReason } from '../system-reason.js';
import { type ArrowCheckOptions, type Limits, resolveLimits } from './limits.js';
import { quoted } from '../quoted.js';
import type { ArrowSummary } from './report.js';
import { type Answer, askThread } from './threads.js';

/** Neither follows a link, nor waits for whoever would open the other end of a FIFO. Node adds O_CLOEXEC. */
const HOW = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Checks an Arrow IPC file that came from somebody who is not trusted, to the last value: afterwards readers that trust what they read
 * can be given it. What it says is still the claim of whoever wrote it. The file is mapped while it is checked, in another thread: keep it
 * where nobody else can change it, from before this call until it has been read. What is changed later was not checked, and who cuts it
 * off meanwhile ends the app by SIGBUS.
 *
 * @param path a regular file; a link at its end is not followed
 * @throws SandboxError `ERR_ARROW_INVALID` for whatever is wrong with the file, or if it cannot be opened or is no regular file;
 *   `ERR_INVALID_OPTION`; `ERR_NATIVE_MISSING`
 */
export async function checkArrowFile(path: string, options?: ArrowCheckOptions): Promise<ArrowSummary> {
  const checkedPath = expectText(path, 'path');
  const limits = resolveLimits(options);
  loadAddon();
  const file = await openFile(checkedPath);
  try {
    const size = await sizeOf(file, checkedPath, limits);
    return report(await askThread({ descriptor: file.fd, size, limits, mostEffort: Infinity }), checkedPath);
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, HOW);
  } catch (error) {
    throw systemFailure('open', path, error);
  }
}

async function sizeOf(file: FileHandle, path: string, { maxBytes }: Limits): Promise<number> {
  const found = await file.stat().catch((error: unknown) => {
    throw systemFailure('fstat', path, error);
  });
  if (!found.isFile()) throw failure(path, 'it is not a regular file');
  if (found.size > maxBytes) {
    throw failure(
      path,
      `it has ${found.size} bytes; ${maxBytes} are allowed`,
      'Raise `maxBytes` if it may be so large.',
    );
  }
  // Nothing cannot be mapped.
  if (found.size === 0) throw failure(path, 'it is empty');
  return found.size;
}

function report(answer: Answer, path: string): ArrowSummary {
  if ('report' in answer) return answer.report;
  if ('errno' in answer) throw systemFailure('mmap', path, { errno: -answer.errno });
  if ('died' in answer)
    throw failure(path, `the check did not come to its end: ${answer.died.message}`, undefined, answer.died);
  if ('unfit' in answer) throw failure(path, `it ${answer.unfit}`);
  const { where, problem, remedy } = answer.refusal;
  throw failure(path, `${where}: ${problem}`, remedy);
}

function failure(path: string, problem: string, remedy?: string, cause?: unknown): SandboxError {
  return new SandboxError('ERR_ARROW_INVALID', `Cannot take ${quoted(path)} for an Arrow file: ${problem}.`, {
    path,
    remedy,
    cause,
  });
}

function systemFailure(syscall: string, path: string, error: unknown): SandboxError {
  const errno = typeof error === 'object' && error !== null && 'errno' in error ? Number(error.errno) : 0;
  const message = `Cannot ${syscall} ${quoted(path)}, which should be an Arrow file: ${systemReason(-errno)}.`;
  return new SandboxError('ERR_ARROW_INVALID', message, { path, syscall, errno: -errno });
}
