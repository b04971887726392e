import type { Writable } from 'node:stream';
import type { SandboxError } from '../errors.js';
import type { Addon } from '../spawner/native.js';
import { givePieces, giveValue, type InputSource, refuseTooLong } from './input.js';
import { StdinPipe } from './stdin-pipe.js';
import { type Keyboard, TerminalInput } from './terminal-input.js';

/** The stdin of a step: where its bytes come from, and the pipe or the terminal once there is one. */
export class StepInput {
  readonly #source: InputSource;
  readonly #limit: number;
  readonly #onFailed: (error: SandboxError) => void;
  readonly #terminal: TerminalInput | undefined;
  #addon: Addon | undefined;
  #descriptor = -1;
  #pipe: StdinPipe | undefined;
  #closed = false;

  /** `limit`: most bytes. `onFailed`: the step cannot get all of its input. */
  constructor(source: InputSource, limit: number, onFailed: (error: SandboxError) => void, terminal = false) {
    this.#source = source;
    this.#limit = limit;
    this.#onFailed = onFailed;
    if (terminal) this.#terminal = new TerminalInput(limit, onFailed);
  }

  /** A pipe is. */
  get needed(): boolean {
    return this.#source.kind !== 'none' && this.#terminal === undefined;
  }

  /** @throws SandboxError `ERR_INPUT` when it is already clear that it is too long */
  check(): void {
    refuseTooLong(this.#source, this.#limit);
  }

  /** `step.stdin`. It may be written before the step has been sent. */
  get stream(): Writable | null {
    if (this.#source.kind !== 'pipe') return null;
    return this.#terminal ?? this.#openPipe();
  }

  /** The pipe exists. Takes ownership of the descriptor. */
  open(addon: Addon, descriptor: number): void {
    this.#addon = addon;
    this.#descriptor = descriptor;
    if (this.#source.kind === 'value') this.#giveValue(addon, this.#source.bytes);
    else if (this.#source.kind === 'stream') this.#givePieces(this.#source.pieces);
    else this.#handOver();
  }

  /** The terminal exists, or is about to. */
  openTerminal(keyboard: Keyboard): void {
    this.#terminal?.open(keyboard);
    if (this.#source.kind === 'value') this.#terminal?.end(this.#source.bytes);
    else if (this.#source.kind === 'stream') this.#givePieces(this.#source.pieces);
  }

  /** The terminal takes input again. */
  room(): void {
    this.#terminal?.room();
  }

  /** The step does not read any more. */
  close(): void {
    this.#closed = true;
    this.#terminal?.release();
    this.#pipe?.destroy();
    if (this.#descriptor >= 0) this.#addon?.close(this.#descriptor);
    this.#descriptor = -1;
  }

  #giveValue(addon: Addon, bytes: Uint8Array): void {
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    this.#pipe = giveValue(addon, descriptor, bytes);
  }

  #givePieces(pieces: Parameters<typeof givePieces>[0]): void {
    givePieces(pieces, this.#terminal ?? this.#openPipe()).catch((error: unknown) => {
      if (!this.#closed) this.#onFailed(error as SandboxError);
    });
  }

  #openPipe(): StdinPipe {
    if (this.#pipe !== undefined) return this.#pipe;
    this.#pipe = new StdinPipe(this.#limit, this.#onFailed);
    this.#handOver();
    if (this.#closed) this.#pipe.destroy();
    return this.#pipe;
  }

  #handOver(): void {
    if (this.#pipe === undefined || this.#addon === undefined || this.#descriptor < 0) return;
    this.#pipe.open(this.#addon, this.#descriptor);
    this.#descriptor = -1;
  }
}
