import { Readable } from 'node:stream';
import type { ChunkQueue } from './chunk-queue.js';

/** `step.stdout` and `step.stderr`: an ordinary Readable of bytes. */
export class OutputStream extends Readable {
  readonly #queue: ChunkQueue;
  #wanted = false;

  constructor(queue: ChunkQueue) {
    super();
    this.#queue = queue;
    queue.onChange = () => {
      if (this.#wanted || queue.error !== undefined) this.#pump();
    };
  }

  override _read(): void {
    this.#wanted = true;
    this.#pump();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#queue.detach();
    callback(error);
  }

  #pump(): void {
    for (let chunk = this.#queue.take(); chunk !== undefined; chunk = this.#queue.take()) {
      if (!this.push(chunk)) {
        this.#wanted = false;
        return;
      }
    }
    if (this.#queue.error !== undefined) this.#fail(this.#queue.error);
    else if (this.#queue.done) this.push(null);
  }

  /** An error that nobody listens for would end the app; it surfaces where the step is awaited. */
  #fail(error: Error): void {
    this.destroy(this.listenerCount('error') > 0 ? error : undefined);
  }
}
