import { END_FRAME } from './frames.js';

/** Each piece costs a system call, and a tree is many small frames. Nobody waits for the first of them: it is all or nothing. */
const AT_ONCE = 32 * 1024;

/**
 * What is sent into the sandbox. When its source fails the end is left out, by which the command there knows that it is to undo
 * what it has done; why it failed is kept for who waits for the operation.
 */
export class Sending implements AsyncIterable<Uint8Array> {
  readonly #frames: AsyncGenerator<Uint8Array>;
  failure: { readonly error: unknown } | undefined;

  constructor(frames: AsyncGenerator<Uint8Array>) {
    this.#frames = frames;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    let small: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const frame of this.#frames) {
        small.push(frame);
        bytes += frame.length;
        if (bytes < AT_ONCE) continue;
        yield small.length === 1 ? frame : Buffer.concat(small);
        small = [];
        bytes = 0;
      }
    } catch (error) {
      this.failure = { error };
      return;
    }
    yield Buffer.concat([...small, END_FRAME]);
  }
}
