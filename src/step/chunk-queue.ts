/** What waits for one consumer of a stream: enough to keep it busy, little enough to hold back a fast step. */
const HIGH_WATER_MARK = 64 * 1024;

/** The chunks that one consumer of an output stream has not taken yet. */
export class ChunkQueue {
  readonly #chunks: Buffer[] = [];
  readonly #onTaken: () => void;
  readonly #onDetached: (queue: ChunkQueue) => void;
  #bytes = 0;
  #held = false;
  #ended = false;
  #error: Error | undefined;
  /** Called when there is something new: a chunk, the end or an error. */
  onChange: (() => void) | undefined;

  constructor(onTaken: () => void, onDetached: (queue: ChunkQueue) => void) {
    this.#onTaken = onTaken;
    this.#onDetached = onDetached;
  }

  get full(): boolean {
    return this.#held || this.#bytes >= HIGH_WATER_MARK;
  }

  /** The consumer wants the next bytes together with those that follow them: nothing is read meanwhile. */
  set held(held: boolean) {
    this.#held = held;
    this.#onTaken();
  }

  /** Every chunk was taken and none will come. */
  get done(): boolean {
    return this.#ended && this.#chunks.length === 0;
  }

  /** Why no more will come; told after the last chunk. */
  get error(): Error | undefined {
    return this.#chunks.length === 0 ? this.#error : undefined;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.onChange?.();
  }

  end(): void {
    this.#ended = true;
    this.onChange?.();
  }

  fail(error: Error): void {
    this.#error = error;
    this.onChange?.();
  }

  take(): Buffer | undefined {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return undefined;
    const wasFull = this.full;
    this.#bytes -= chunk.length;
    this.#madeRoom(wasFull);
    return chunk;
  }

  #madeRoom(wasFull: boolean): void {
    if (wasFull && !this.full) this.#onTaken();
  }

  /** The consumer wants no more; it no longer holds anything back. */
  detach(): void {
    this.#chunks.length = 0;
    this.#bytes = 0;
    this.#held = false;
    this.onChange = undefined;
    this.#onDetached(this);
  }
}
