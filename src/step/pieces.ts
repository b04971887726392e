/**
 * A chunk costs some hundred bytes of memory besides its own, and a step can write single bytes: so every so many that
 * are small are put together.
 */
const MERGED_AT_ONCE = 64;
const SMALL = 4096;

/** Bytes that came in chunks of any size, and take little more memory than they are. */
export class Pieces implements Iterable<Buffer> {
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** How many pieces and bytes there were when they were last put together. */
  #mergedPieces = 0;
  #mergedBytes = 0;

  /** How many bytes there are. */
  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): void {
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
    if (this.#pieces.length - this.#mergedPieces >= MERGED_AT_ONCE) this.#merge();
  }

  /** All of them as one. */
  whole(): Buffer {
    return this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces, this.#bytes);
  }

  /** As `whole`, and there are none afterwards. */
  take(): Buffer {
    const whole = this.whole();
    this.#pieces = [];
    this.#bytes = this.#mergedPieces = this.#mergedBytes = 0;
    return whole;
  }

  [Symbol.iterator](): Iterator<Buffer> {
    return this.#pieces[Symbol.iterator]();
  }

  #merge(): void {
    if (this.#bytes - this.#mergedBytes < MERGED_AT_ONCE * SMALL) {
      this.#pieces.push(Buffer.concat(this.#pieces.splice(this.#mergedPieces)));
    }
    this.#mergedPieces = this.#pieces.length;
    this.#mergedBytes = this.#bytes;
  }
}
