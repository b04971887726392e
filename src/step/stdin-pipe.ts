import { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Addon } from '../spawner/native.js';
import { type Callback, cannotGive, StepWritable } from './step-writable.js';

const { EAGAIN, EPIPE } = constants.errno;

/** `step.stdin` by a pipe: what that does not take at once goes through Node's own stream. */
export class StdinPipe extends StepWritable {
  #addon: Addon | undefined;
  #descriptor = -1;
  #socket: Socket | undefined;

  /** Takes ownership of the descriptor. */
  open(addon: Addon, descriptor: number): void {
    this.#addon = addon;
    this.#descriptor = descriptor;
    this.begin();
    if (this.destroyed) this.#close();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#close();
    callback(error);
  }

  protected override get isOpen(): boolean {
    return this.#descriptor >= 0 || this.#socket !== undefined;
  }

  protected override put(chunk: Buffer, callback: Callback): void {
    const written = (this.#socket === undefined ? this.#addon?.write(this.#descriptor, chunk) : undefined) ?? -EAGAIN;
    if (written === chunk.length) callback();
    else if (written >= 0) this.#putLater(chunk.subarray(written), callback);
    else if (written === -EAGAIN) this.#putLater(chunk, callback);
    else this.#refused(-written, callback);
  }

  protected override finish(callback: Callback): void {
    if (this.#socket === undefined) this.#close();
    else this.#socket.end();
    callback();
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
    callback(errno === EPIPE ? null : cannotGive(errno));
  }

  #close(): void {
    this.gone = true;
    this.#socket?.destroy();
    if (this.#descriptor >= 0) this.#addon?.close(this.#descriptor);
    this.#descriptor = -1;
  }
}
