import { constants } from 'node:os';
import { type Callback, cannotGive, StepWritable } from './step-writable.js';

const { EAGAIN, EIO, EPIPE } = constants.errno;
const NEWLINE = 0x0a;
/** ^D: a line that has begun is given to its reader by the first, and the next is the end. */
const END = Buffer.from([4]);
const END_OF_LINE_AND_ALL = Buffer.from([4, 4]);

/** The master of a step's terminal, as whoever types has it. */
export interface Keyboard {
  /** As `Reactor.write`. */
  write(bytes: Uint8Array): number;
  hangUp(): void;
}

interface Waiting {
  readonly chunk: Buffer;
  readonly callback: Callback;
}

/** `step.stdin` of a step that has a terminal: what is written is typed, `end()` types ^D, and `destroy()` hangs up. */
export class TerminalInput extends StepWritable {
  #keyboard: Keyboard | undefined;
  #waiting: Waiting | undefined;
  #endsLine = true;
  #released = false;

  open(keyboard: Keyboard): void {
    this.#keyboard = keyboard;
    this.begin();
    if (this.destroyed) this.#hangUp();
  }

  /** The terminal takes input again. */
  room(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) this.#type(waiting.chunk, waiting.callback);
  }

  /** The step has ended: there is nothing to hang up. */
  release(): void {
    this.#released = true;
    this.destroy();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#hangUp();
    callback(error);
  }

  protected override get isOpen(): boolean {
    return this.#keyboard !== undefined;
  }

  protected override put(chunk: Buffer, callback: Callback): void {
    if (chunk.length > 0) this.#endsLine = chunk[chunk.length - 1] === NEWLINE;
    this.#type(chunk, callback);
  }

  protected override finish(callback: Callback): void {
    this.#type(this.#endsLine ? END : END_OF_LINE_AND_ALL, callback);
  }

  #type(chunk: Buffer, callback: Callback): void {
    const written = this.gone ? -EPIPE : (this.#keyboard?.write(chunk) ?? -EPIPE);
    if (written === chunk.length) callback();
    else if (written >= 0) this.#waiting = { chunk: chunk.subarray(written), callback };
    else if (written === -EAGAIN) this.#waiting = { chunk, callback };
    else this.#refused(-written, callback);
  }

  #refused(errno: number, callback: Callback): void {
    this.gone = true;
    const over = errno === EPIPE || errno === EIO;
    if (over) this.onRefused?.();
    callback(over ? null : cannotGive(errno));
  }

  /** Node destroys a stream that has finished, too, which means nothing more. */
  #hangUp(): void {
    this.gone = true;
    if (!this.writableFinished && !this.#released) this.#keyboard?.hangUp();
    this.room();
  }
}
