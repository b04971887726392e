import { randomBytes } from 'node:crypto';
import { Operation, type OperationOptions, type StartFiles } from './operation.js';
import type { Deed } from './problem.js';
import type { Sending } from './sending.js';

/** As in native/sandbox/files_write.c. */
export const FLAG = { overwrites: 1, makesParents: 2, keepsMode: 4 } as const;
/** As in native/sandbox/files_remove.c: recursive and forced. */
const ALL_OF_IT = '3';
const CLEANING_MS = 5000;
const SLASH = 0x2f;

export interface Making extends OperationOptions {
  readonly operation: 'write' | 'copyIn';
  readonly path: Buffer;
  readonly words: readonly string[];
}

/** Has something made under a temporary name, which nothing is left of, whatever becomes of the command. */
export async function makeAtOnce(start: StartFiles, deed: Deed, making: Making, sending: Sending): Promise<void> {
  const temporary = `.spawn-sandbox-${randomBytes(8).toString('hex')}`;
  const operation = new Operation(
    start,
    deed,
    [making.operation, making.path, temporary, ...making.words],
    making,
    sending,
  );
  try {
    await operation.done();
  } catch (error) {
    if (!operation.hasAnswered) await cleanUp(start, besides(making.path, temporary));
    throw sending.failure === undefined ? error : sending.failure.error;
  }
}

function besides(path: Buffer, name: string): Buffer {
  let end = path.length;
  while (end > 0 && path[end - 1] === SLASH) end--;
  return Buffer.concat([path.subarray(0, path.lastIndexOf(SLASH, end - 1) + 1), Buffer.from(name)]);
}

/** In a sandbox that is over there is nothing to be removed, or nobody who could. */
async function cleanUp(start: StartFiles, path: Buffer): Promise<void> {
  const deed = { verb: 'remove', path: path.toString() };
  try {
    await new Operation(start, deed, ['remove', path, ALL_OF_IT], { timeout: CLEANING_MS, signal: undefined }).done();
  } catch {
    // Why the operation itself failed is what the app is told.
  }
}
