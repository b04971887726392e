import { StringDecoder } from 'node:string_decoder';
import { SandboxError } from '../errors.js';
import { ChunkQueue } from './chunk-queue.js';
import { Pieces } from './pieces.js';

/** Whether the pipe is read at all. */
export interface Flow {
  pause(): void;
  resume(): void;
}

/**
 * One output stream of a step. Every chunk is collected for the result as it arrives, and given to each consumer that is
 * attached; a consumer that is full pauses the pipe, and one that leaves lets it flow on.
 */
export class Output {
  readonly #name: 'stdout' | 'stderr';
  readonly #limit: number;
  readonly #kept = new Pieces();
  #seenBytes = 0;
  #flow: Flow | undefined;
  #paused = false;
  #ended = false;
  #error: Error | undefined;
  #consumers: ChunkQueue[] = [];

  /** `limit`: most bytes collected. */
  constructor(name: 'stdout' | 'stderr', limit: number) {
    this.#name = name;
    this.#limit = limit;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The app holds the step back; that it says nothing is not the step's doing. */
  get paused(): boolean {
    return this.#paused;
  }

  /** The pipe exists. */
  open(flow: Flow): void {
    this.#flow = flow;
    this.#paused = this.#consumers.some((queue) => queue.full);
    if (!this.#paused) flow.resume();
  }

  accept(chunk: Buffer): void {
    this.#seenBytes += chunk.length;
    this.#keep(chunk);
    for (const queue of this.#consumers) queue.push(chunk);
    this.#adjustFlow();
  }

  /** Nobody can write any more: what is left in the pipe is little, and is read whether or not a consumer keeps up. */
  finish(): void {
    this.#paused = false;
    this.#flow?.resume();
    this.#flow = undefined;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const queue of this.#consumers) queue.end();
  }

  fail(error: Error): void {
    this.#error = error;
    this.#ended = true;
    for (const queue of this.#consumers) queue.fail(error);
  }

  /** A new consumer; it gets everything from the beginning, or an error when the beginning is gone. */
  attach(): ChunkQueue {
    const queue = new ChunkQueue(
      () => {
        this.#adjustFlow();
      },
      (left) => {
        this.#consumers = this.#consumers.filter((consumer) => consumer !== left);
        this.#adjustFlow();
      },
    );
    if (this.#seenBytes > this.#kept.bytes) {
      queue.fail(this.#beginningGone());
      return queue;
    }
    for (const chunk of this.#kept) queue.push(chunk);
    if (this.#error !== undefined) queue.fail(this.#error);
    else if (this.#ended) queue.end();
    this.#consumers.push(queue);
    this.#adjustFlow();
    return queue;
  }

  /** More was written than is kept, although it was to be kept. */
  get truncated(): boolean {
    return this.#limit > 0 && this.#seenBytes > this.#kept.bytes;
  }

  collected(encoding: 'utf8' | 'buffer'): string | Uint8Array {
    const bytes = this.#kept.whole();
    if (encoding === 'buffer') return bytes;
    // A decoder that is not ended leaves out a character that the cut went through.
    return this.truncated ? new StringDecoder('utf8').write(bytes) : bytes.toString('utf8');
  }

  #keep(chunk: Buffer): void {
    const room = this.#limit - this.#kept.bytes;
    if (room <= 0) return;
    this.#kept.push(chunk.length <= room ? chunk : chunk.subarray(0, room));
  }

  #adjustFlow(): void {
    if (this.#flow === undefined) return;
    const paused = this.#consumers.some((queue) => queue.full);
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) this.#flow.pause();
    else this.#flow.resume();
  }

  #beginningGone(): SandboxError {
    return new SandboxError(
      'ERR_OUTPUT_GONE',
      `Cannot read ${this.#name} from its beginning: more was written than \`collect\` keeps before anybody read it.`,
      {
        remedy: 'Start to read in the same turn as spawnSandbox(), or raise `collect`.',
      },
    );
  }
}
