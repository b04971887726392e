import { Writer } from './writer.js';

export interface FrameLimits {
  readonly maxFrameBytes: number;
}

/** A varint of a length has at most five bytes, of which the last holds four bits. */
const LENGTH_BYTES = 5;
const SMALLEST_BODY = 1024;
const NOTHING = new Uint8Array(0);

/**
 * Delimited frames out of chunks of any size. What it holds is what has arrived and was not taken yet: a frame that spans chunks is
 * collected in one buffer that grows with its bytes, so a length that was only claimed costs nothing.
 */
export class FrameReader {
  readonly #limit: number;
  /** Chunks that were not looked at yet, from `#first` on; of the first one, what is before `#at` is done. */
  #chunks: Uint8Array[] = [];
  #first = 0;
  #at = 0;
  /** The length as far as it was read, in how many bytes, and whether these are all of them. */
  #length = 0;
  #lengthBytes = 0;
  #hasLength = false;
  /** A frame that spans chunks, and how much of it is there. */
  #body: Uint8Array | undefined;
  #have = 0;
  #whole: Uint8Array | undefined;
  #refusal: string | undefined;

  constructor({ maxFrameBytes }: FrameLimits) {
    this.#limit = maxFrameBytes;
  }

  /** Adds a chunk, which must not change afterwards. */
  push(chunk: Uint8Array): void {
    if (this.#refusal !== undefined || chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#advance();
  }

  /** The next whole frame, often a view of its chunk; `undefined` when more bytes are needed, or none can come. */
  next(): Uint8Array | undefined {
    this.#advance();
    const frame = this.#whole;
    this.#whole = undefined;
    return frame;
  }

  /** Why no more frames can come, once that is so. The frames before are still there to be taken. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** A frame that has begun and is not whole: at the end of the stream, a truncated one. */
  get partial(): { readonly have: number; readonly of: number | undefined } | undefined {
    if (this.#whole !== undefined || this.#refusal !== undefined) return undefined;
    if (this.#hasLength) return { have: this.#have, of: this.#length };
    return this.#lengthBytes === 0 ? undefined : { have: this.#lengthBytes, of: undefined };
  }

  /** Reads until a frame is whole or the chunks are used up. */
  #advance(): void {
    while (this.#whole === undefined && this.#refusal === undefined) {
      const chunk = this.#chunks[this.#first];
      if (chunk === undefined) break;
      if (!this.#hasLength) this.#readLength(chunk);
      if (this.#hasLength) this.#readBody(chunk);
      if (this.#at === chunk.length) this.#nextChunk();
    }
  }

  /** What was used is cut off when it is half of the list, so that each chunk is moved once on average. */
  #nextChunk(): void {
    this.#at = 0;
    this.#chunks[this.#first++] = NOTHING;
    if (this.#first * 2 < this.#chunks.length) return;
    this.#chunks = this.#chunks.slice(this.#first);
    this.#first = 0;
  }

  #readLength(chunk: Uint8Array): void {
    while (this.#at < chunk.length) {
      const byte = chunk[this.#at++] ?? 0;
      this.#length += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes++);
      if (byte < 0x80) {
        this.#hasLength = true;
        if (this.#length > this.#limit) {
          this.#refuse(`A frame of ${this.#length} bytes was announced; ${this.#limit} are allowed.`);
        }
        return;
      }
      if (this.#lengthBytes === LENGTH_BYTES) {
        this.#refuse(`The length of a frame does not end within ${LENGTH_BYTES} bytes.`);
        return;
      }
    }
  }

  #readBody(chunk: Uint8Array): void {
    if (this.#refusal !== undefined) return;
    const part = Math.min(this.#length - this.#have, chunk.length - this.#at);
    const end = this.#at + part;
    if (part === this.#length) {
      this.#finish(chunk.subarray(this.#at, end));
    } else if (part > 0) {
      const body = this.#room(this.#have + part);
      body.set(chunk.subarray(this.#at, end), this.#have);
      this.#have += part;
      if (this.#have === this.#length) this.#finish(body.subarray(0, this.#length));
    }
    this.#at = end;
  }

  #room(bytes: number): Uint8Array {
    const body = this.#body ?? NOTHING;
    if (bytes <= body.length) return body;
    const larger = new Uint8Array(Math.min(this.#length, Math.max(bytes, 2 * body.length, SMALLEST_BODY)));
    larger.set(body.subarray(0, this.#have));
    this.#body = larger;
    return larger;
  }

  #finish(frame: Uint8Array): void {
    this.#whole = frame;
    this.#body = undefined;
    this.#have = this.#length = this.#lengthBytes = 0;
    this.#hasLength = false;
  }

  #refuse(why: string): void {
    this.#refusal = why;
    this.#chunks = [];
    this.#body = undefined;
    this.#first = this.#at = 0;
  }
}

/** The message with its length before it, as it is sent. */
export function frame(message: Uint8Array): Uint8Array {
  const writer = new Writer();
  writer.bytes(message);
  return writer.finish();
}
