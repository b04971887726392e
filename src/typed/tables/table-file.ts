import { randomUUID } from 'node:crypto';
import { createWriteStream, read } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { SandboxError } from '../../errors.js';
import { expectText } from '../../options/check.js';
import { quoted } from '../../quoted.js';
import type { Addon } from '../../spawner/native.js';
import { closeMemoryFile } from './memory-file.js';

const COPIED_AT_ONCE = 2 ** 20;
const readLater = promisify(read);

/**
 * An Arrow file in sealed memory: nobody can change it, cut it off or make it longer, whoever has a descriptor of it. It is held open for
 * as long as it may be handed on; a mapping of it lives by itself.
 */
export class TableFile {
  readonly descriptor: number;
  readonly bytes: number;
  readonly #addon: Addon;
  #users = 1;
  #closed = false;

  /** Takes ownership of the descriptor. */
  constructor(addon: Addon, descriptor: number, bytes: number) {
    this.#addon = addon;
    this.descriptor = descriptor;
    this.bytes = bytes;
  }

  /** It stays open until `release()`. Calls add up. */
  hold(): void {
    if (this.#closed) {
      throw new SandboxError('ERR_TABLE', 'Cannot use the table: it was closed.', {
        remedy: 'Call close() when no step needs it any more.',
      });
    }
    this.#users++;
  }

  release(): void {
    if (--this.#users === 0) closeMemoryFile(this.#addon, this.descriptor, this.bytes);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.release();
  }

  /** Beside it first, so that whoever reads the path finds the whole of one or of the other. */
  async saveTo(path: string): Promise<void> {
    const target = expectText(path, 'path');
    const besides = `${target}.${randomUUID()}.part`;
    this.hold();
    try {
      await pipeline(this.#pieces(), createWriteStream(besides, { flags: 'wx', flush: true }));
      await rename(besides, target);
    } catch (cause) {
      await rm(besides, { force: true }).catch(() => undefined);
      const { code = String(cause) } = cause as NodeJS.ErrnoException;
      throw new SandboxError('ERR_TABLE', `Cannot save the table to ${quoted(target, 4096)}: ${code}.`, {
        path: target,
        cause,
      });
    } finally {
      this.release();
    }
  }
  /** By hand, since a stream of Node's closes the descriptor when it fails, whatever it was told. */
  async *#pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < this.bytes;) {
      const piece = Buffer.allocUnsafe(Math.min(COPIED_AT_ONCE, this.bytes - at));
      const { bytesRead } = await readLater(this.descriptor, piece, 0, piece.length, at);
      yield piece.subarray(0, bytesRead);
      at += bytesRead;
    }
  }
}
