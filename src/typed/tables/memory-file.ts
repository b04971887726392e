import { close, write } from 'node:fs';
import { promisify } from 'node:util';
import { SandboxError } from '../../errors.js';
import type { Addon } from '../../spawner/native.js';
import { systemReason } from '../../system-reason.js';

/** More is left to other threads. */
const WRITTEN_AT_ONCE = 64 * 1024;
const CLOSED_AT_ONCE = 8 * 2 ** 20;
const writeLater = promisify(write);

/** An empty file in memory, without a name. @throws SandboxError `ERR_TABLE` */
export function makeMemoryFile(addon: Addon): number {
  const descriptor = addon.memory();
  if (descriptor >= 0) return descriptor;
  throw new SandboxError('ERR_TABLE', `Cannot make a file for a table: ${systemReason(-descriptor)}.`, {
    errno: -descriptor,
    syscall: 'memfd_create',
    remedy: 'Raise the limit of open files (ulimit -n), or run fewer steps at once.',
  });
}

/** Whoever closes the last descriptor gives back the memory: some 80 ms for a GiB, which are left to another thread. */
export function closeMemoryFile(addon: Addon, descriptor: number, bytes: number): void {
  if (bytes <= CLOSED_AT_ONCE) {
    addon.close(descriptor);
    return;
  }
  addon.release(descriptor);
  close(descriptor, () => undefined);
}

/** Fills a file and seals it: a promise where that takes long. The file is closed when it cannot be. @throws SandboxError `ERR_TABLE` */
export function fillMemoryFile(addon: Addon, descriptor: number, bytes: Uint8Array): void | Promise<void> {
  if (bytes.length > WRITTEN_AT_ONCE) {
    return fillWith(addon, descriptor, (at) => Promise.resolve(bytes.subarray(at, at + LARGEST_WRITE)));
  }
  const written = addon.write(descriptor, bytes);
  if (written === bytes.length) sealOrClose(addon, descriptor);
  else throw cannotFill(addon, descriptor, written < 0 ? systemReason(-written) : 'it takes no more');
}

/** Linux writes no more than that at once. */
const LARGEST_WRITE = 2 ** 30;

/** As above, from a source that answers what follows an offset, and nothing at its end. */
export async function fillWith(
  addon: Addon,
  descriptor: number,
  read: (at: number) => Promise<Uint8Array>,
): Promise<void> {
  try {
    for (let at = 0; ;) {
      const part = await read(at);
      if (part.length === 0) break;
      for (let done = 0; done < part.length;) {
        done += (await writeLater(descriptor, part, done, part.length - done, at + done)).bytesWritten;
      }
      at += part.length;
    }
  } catch (error) {
    throw cannotFill(addon, descriptor, (error as NodeJS.ErrnoException).code ?? String(error), error);
  }
  sealOrClose(addon, descriptor);
}

function sealOrClose(addon: Addon, descriptor: number): void {
  const sealed = addon.seal(descriptor);
  if (sealed < 0) throw cannotFill(addon, descriptor, systemReason(-sealed));
}

function cannotFill(addon: Addon, descriptor: number, reason: string, cause?: unknown): SandboxError {
  addon.close(descriptor);
  return new SandboxError('ERR_TABLE', `Cannot write a table into memory: ${reason}.`, { cause });
}
