import { Writable } from 'node:stream';
import { SandboxError } from '../errors.js';
import { systemReason } from '../system-reason.js';
import { formatSize } from '../units.js';

export type Callback = (error?: Error | null) => void;

/**
 * `step.stdin`. What is written before the step has been sent waits. A step that does not read to the end is no error: what it
 * leaves is dropped.
 */
export abstract class StepWritable extends Writable {
  readonly #limit: number;
  #opened: (() => void) | undefined;
  #written = 0;
  /** The step takes no more. */
  protected gone = false;
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

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#written += chunk.length;
    if (this.gone) callback();
    else if (this.#written > this.#limit) callback(inputTooLong(this.#limit));
    else
      this.#whenOpen(() => {
        if (this.gone) callback();
        else this.put(chunk, callback);
      });
  }

  override _final(callback: Callback): void {
    this.#whenOpen(() => {
      if (this.gone) callback();
      else this.finish(callback);
    });
  }

  protected abstract get isOpen(): boolean;
  /** Gives a chunk to the step. */
  protected abstract put(chunk: Buffer, callback: Callback): void;
  /** All that there is has been given. */
  protected abstract finish(callback: Callback): void;

  /** What has waited goes now. */
  protected begin(): void {
    this.#opened?.();
  }

  #whenOpen(action: () => void): void {
    if (this.isOpen || this.gone) action();
    else this.#opened = action;
  }
}

export function inputTooLong(limit: number): SandboxError {
  return new SandboxError('ERR_INPUT', `The input of the step is longer than limits.input (${formatSize(limit)}).`, {
    remedy: 'Raise limits.input, or mount a file by filesystem.readOnly.',
  });
}

export function cannotGive(errno: number): SandboxError {
  return inputFailed(systemReason(errno), errno);
}

export function inputFailed(reason: string, cause: unknown): SandboxError {
  return new SandboxError('ERR_INPUT', `Cannot give the step its input: ${reason}.`, { cause });
}
