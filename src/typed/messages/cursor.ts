import { isUtf8 } from 'node:buffer';

/** How a field is written: the low three bits of its tag. Groups (3 and 4) are refused. */
export const VARINT = 0;
export const FIXED64 = 1;
export const DELIMITED = 2;
export const FIXED32 = 5;

/** Up to here a loop is faster than asking for a view and a vector unit. */
const SHORT = 64;
const HIGHEST = 2 ** 32;

/**
 * Reads the wire format of protobuf. The first problem sticks: the cursor then stands behind every end, each read answers 0, and what
 * was read before is worth nothing. It allocates nothing but the view that fixed numbers need.
 */
export class Cursor {
  readonly bytes: Uint8Array;
  at = 0;
  end: number;
  problem: string | undefined;
  /** The wire type of the tag, and the halves of the varint or fixed number, that were read last. */
  wire = 0;
  low = 0;
  high = 0;
  #view: DataView | undefined;
  #buffer: Buffer | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  fail(problem: string): void {
    this.problem ??= problem;
    this.at = HIGHEST;
  }

  /** The number of the next field; 0 when there is none. */
  tag(): number {
    if (this.at >= this.end) return 0;
    const tag = this.small('the number of a field is beyond 2^29, or longer than that');
    this.wire = tag % 8;
    if (this.problem !== undefined) return 0;
    if (tag < 8) this.fail('a field has the number 0');
    else if (this.wire === 3 || this.wire === 4) this.fail('it has a group, which is a form that is no longer used');
    else if (this.wire > FIXED32) this.fail(`a field has the wire type ${this.wire}, which does not exist`);
    return Math.floor(tag / 8);
  }

  /** A varint below 2^32, which has at most five bytes: others do not read longer ones either, however small the number. */
  small(otherwise: string): number {
    const byte = this.bytes[this.at] ?? 0x80;
    if (byte < 0x80 && this.at < this.end) {
      this.at++;
      return byte;
    }
    const start = this.at;
    this.varint();
    if (this.high !== 0 || this.at - start > 5) this.fail(otherwise);
    return this.problem === undefined ? this.low : 0;
  }

  /** 64 bits into `low` and `high`, as unsigned halves. */
  varint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) {
        this.#short();
        return;
      }
      const byte = this.bytes[this.at++] ?? 0;
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= byte << 28;
        high = (byte & 0x7f) >> 4;
      } else high |= (byte & 0x7f) << (shift - 32);
      if (byte < 0x80) {
        if (shift === 63 && byte > 1) {
          this.fail('a number has more than 64 bits');
          return;
        }
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    this.fail('a number does not end within ten bytes');
  }

  /** The length of what follows, all of which is there. */
  length(): number {
    const length = this.small('a length is beyond 4 GiB, or written with more than five bytes');
    if (length <= this.end - this.at) return length;
    if (this.problem === undefined) this.fail(`a field claims ${length} bytes where ${this.end - this.at} are left`);
    return 0;
  }

  /** Confines the cursor to the next `length` bytes. Answers the end to come back to by `leave`. */
  enter(length: number): number {
    const outer = this.end;
    this.end = this.at + length;
    return outer;
  }

  leave(outer: number): void {
    this.end = outer;
  }

  fixed32(): void {
    if (this.end - this.at < 4) {
      this.#short();
      return;
    }
    this.low = this.view.getUint32(this.at, true);
    this.at += 4;
  }

  fixed64(): void {
    if (this.end - this.at < 8) {
      this.#short();
      return;
    }
    this.low = this.view.getUint32(this.at, true);
    this.high = this.view.getUint32(this.at + 4, true);
    this.at += 8;
  }

  /** That the next `length` bytes are text, and past them. */
  checkText(length: number): void {
    const end = this.at + length;
    let at = this.at;
    if (length <= SHORT) while (at < end && (this.bytes[at] ?? 0x80) < 0x80) at++;
    if (at < end && !isUtf8(this.bytes.subarray(this.at, end))) {
      this.fail('a text is not UTF-8');
      return;
    }
    this.at = end;
  }

  /** Past the value of a field that is of no interest. */
  skip(): void {
    if (this.wire === VARINT) this.varint();
    else if (this.wire === DELIMITED) {
      const length = this.length();
      this.at += length;
    } else if (this.end - this.at >= (this.wire === FIXED64 ? 8 : 4)) this.at += this.wire === FIXED64 ? 8 : 4;
    else this.#short();
  }

  get view(): DataView {
    this.#view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.#view;
  }

  get buffer(): Buffer {
    const { buffer, byteOffset, byteLength } = this.bytes;
    this.#buffer ??= Buffer.from(buffer, byteOffset, byteLength);
    return this.#buffer;
  }

  #short(): void {
    this.fail('it ends in the middle of a field');
  }
}
