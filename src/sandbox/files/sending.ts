import { END_FRAME } from './frames.js';

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
    try {
      yield* this.#frames;
    } catch (error) {
      this.failure = { error };
      return;
    }
    yield END_FRAME;
  }
}
