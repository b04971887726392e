import { Socket } from 'node:net';
import { constants } from 'node:os';
import { Writable } from 'node:stream';
import { SandboxError } from '../errors.js';
import type { Addon } from '../spawner/native.js';
import { systemReason } from '../system-reason.js';
import { formatSize } from '../units.js';

const { EAGAIN, EPIPE } = constants.errno;

type Callback = (error?: Error | null) => void;

/**
 * `step.stdin`. What is written before the step has its pipe waits; what the pipe does not take at once goes through
 * Node's own stream. A step that does not read to the end is no error: what it leaves is dropped.
 */
export class StdinPipe extends Writable {
  #addon: Addon | undefined;
  readonly #limit: number;
  #descriptor = -1;
  #socket: Socket | undefined;
  #opened: (() => void) | undefined;
  #written = 0;
  #gone = false;
  /** Called when the step has closed its stdin. */
  onRefused: (() => void) | undefined;

  /** `limit`: most bytes. `onFailed`: they cannot be given to the step. */
  constructor(limit: number, onFailed: (error: SandboxError) => void = () => undefined) {
    super();
    this.#limit = limit;
    // A failure surfaces where the step is awaited; without this, one that nobody listens for would end the app.
    this.on('error', (error) => {
      if (error instanceof SandboxError) onFailed(error);
    });
  }

  /** Takes ownership of the descriptor. */
  open(addon: Addon, descriptor: number): void {
    this.#addon = addon;
    this.#descriptor = descriptor;
    this.#opened?.();
    if (this.destroyed) this.#close();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#written += chunk.length;
    if (this.#gone) callback();
    else if (this.#written > this.#limit) callback(inputTooLong(this.#limit));
    else
      this.#whenOpen(() => {
        this.#put(chunk, callback);
      });
  }

  override _final(callback: Callback): void {
    this.#whenOpen(() => {
      if (this.#socket === undefined) this.#close();
      else this.#socket.end();
      callback();
    });
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#close();
    callback(error);
  }

  #whenOpen(action: () => void): void {
    if (this.#descriptor >= 0 || this.#socket !== undefined || this.#gone) action();
    else this.#opened = action;
  }

  #put(chunk: Buffer, callback: Callback): void {
    if (this.#gone) {
      callback();
      return;
    }
    const written = (this.#socket === undefined ? this.#addon?.write(this.#descriptor, chunk) : undefined) ?? -EAGAIN;
    if (written === chunk.length) callback();
    else if (written >= 0) this.#putLater(chunk.subarray(written), callback);
    else if (written === -EAGAIN) this.#putLater(chunk, callback);
    else this.#refused(-written, callback);
  }

  #putLater(chunk: Buffer, callback: Callback): void {
    this.#socket ??= this.#openSocket();
    this.#socket.write(chunk, (error) => {
      if (error == null) callback();
      else
        this.#refused(
          (error as NodeJS.ErrnoException).code === 'EPIPE'
            ? EPIPE
            : -((error as NodeJS.ErrnoException).errno ?? -EPIPE),
          callback,
        );
    });
  }

  #openSocket(): Socket {
    const socket = new Socket({
      fd: this.#descriptor,
      readable: false,
      writable: true,
    });
    this.#addon?.release(this.#descriptor);
    socket.on('error', () => undefined); // told to the write's callback
    this.#descriptor = -1;
    return socket;
  }

  #refused(errno: number, callback: Callback): void {
    this.#close();
    if (errno === EPIPE) this.onRefused?.();
    callback(errno === EPIPE ? null : inputFailed(systemReason(errno), errno));
  }

  #close(): void {
    this.#gone = true;
    this.#socket?.destroy();
    if (this.#descriptor >= 0) this.#addon?.close(this.#descriptor);
    this.#descriptor = -1;
  }
}

export function inputTooLong(limit: number): SandboxError {
  return new SandboxError('ERR_INPUT', `The input of the step is longer than limits.input (${formatSize(limit)}).`, {
    remedy: 'Raise limits.input, or mount a file by filesystem.readOnly.',
  });
}

export function inputFailed(reason: string, cause: unknown): SandboxError {
  return new SandboxError('ERR_INPUT', `Cannot give the step its input: ${reason}.`, { cause });
}
