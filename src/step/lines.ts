import type { ChunkQueue } from './chunk-queue.js';
import { inTurn } from './in-turn.js';
import { type Line, LineSplitter } from './line-splitter.js';

/** Lines of a step's output, each without its newline. */
export interface LineIterator extends AsyncIterableIterator<string> {
  /** The line that was given last is a piece of one longer than 1 MiB; the next one continues it. */
  readonly partial: boolean;
}

interface Source {
  readonly queue: ChunkQueue;
  readonly splitter: LineSplitter;
  done: boolean;
}

/** Lines of one or more streams, in the order in which they arrive. Bytes are taken as lines are asked for. */
export class Lines implements LineIterator {
  readonly #attach: () => readonly ChunkQueue[];
  #ready: Line[] = [];
  /** How many of those were given: taking each from the front of a long array would move all the others. */
  #given = 0;
  #sources: readonly Source[] | undefined;
  #wake: (() => void) | undefined;
  #returned = false;
  #partial = false;

  constructor(attach: () => readonly ChunkQueue[]) {
    this.#attach = attach;
  }

  get partial(): boolean {
    return this.#partial;
  }

  [Symbol.asyncIterator](): this {
    this.#sources ??= this.#open();
    return this;
  }

  readonly next = inTurn(() => this.#next());

  async #next(): Promise<IteratorResult<string, undefined>> {
    const sources = (this.#sources ??= this.#open());
    for (;;) {
      if (this.#returned) return { done: true, value: undefined };
      const line = this.#ready[this.#given];
      if (line !== undefined) {
        this.#given++;
        this.#partial = line.partial;
        return { done: false, value: line.text };
      }
      this.#ready = [];
      this.#given = 0;
      // A chunk may hold no whole line: look again before waiting.
      if (sources.map((source) => this.#fill(source)).includes(true)) continue;
      const failed = sources.find(({ queue }) => queue.error !== undefined)?.queue.error;
      if (failed !== undefined) throw failed;
      if (sources.every(({ done }) => done)) return { done: true, value: undefined };
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** `break` in a loop: nothing is delivered any more, and the step goes on. */
  return(): Promise<IteratorResult<string, undefined>> {
    this.#returned = true;
    for (const { queue } of this.#sources ?? []) queue.detach();
    this.#ready = [];
    this.#wake?.();
    return Promise.resolve({ done: true, value: undefined });
  }

  #open(): readonly Source[] {
    return this.#attach().map((queue) => {
      queue.onChange = () => this.#wake?.();
      return { queue, splitter: new LineSplitter(), done: false };
    });
  }

  /** Answers whether there was anything to take. */
  #fill(source: Source): boolean {
    const chunk = source.queue.take();
    if (chunk !== undefined) {
      for (const line of source.splitter.push(chunk)) this.#ready.push(line);
      return true;
    }
    if (!source.queue.done || source.done) return false;
    source.done = true;
    for (const line of source.splitter.end()) this.#ready.push(line);
    return true;
  }
}
