const FIRST_BYTES = 256;
/** A text up to this long is looked at character by character before anything else. */
const SHORT = 32;

/** Writes the wire format of protobuf. A message within another is written in place: its length is put before it when it is known. */
export class Writer {
  #buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #at = 0;

  tag(number: number, wire: number): void {
    this.varint(number * 8 + wire);
  }

  /** A whole number from 0 to 2^53. */
  varint(value: number): void {
    let rest = value;
    this.#room(10);
    while (rest >= 0x80) {
      this.#buffer[this.#at++] = (rest % 0x80) | 0x80;
      rest = rest < 2 ** 31 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.#buffer[this.#at++] = rest;
  }

  /** From 0 to 2^64 - 1. */
  bigVarint(value: bigint): void {
    let low = Number(value & 0xffff_ffffn);
    let high = Number(value >> 32n);
    this.#room(10);
    while (high > 0 || low >= 0x80) {
      this.#buffer[this.#at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#buffer[this.#at++] = low;
  }

  byte(value: number): void {
    this.#room(1);
    this.#buffer[this.#at++] = value;
  }

  fixed32(value: number): void {
    this.#room(4);
    this.#at = this.#buffer.writeUInt32LE(value, this.#at);
  }

  fixed64(value: bigint): void {
    this.#room(8);
    this.#at = this.#buffer.writeBigUInt64LE(value, this.#at);
  }

  float(value: number): void {
    this.#room(4);
    this.#at = this.#buffer.writeFloatLE(value, this.#at);
  }

  double(value: number): void {
    this.#room(8);
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }

  /** A length and the bytes. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.#room(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }

  /** A length and the text in UTF-8. False for what UTF-8 cannot hold: half of a surrogate pair. */
  text(value: string): boolean {
    if (value.length <= SHORT && this.#ascii(value)) return true;
    if (/\p{Cs}/u.test(value)) return false;
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.#room(length);
    this.#at += this.#buffer.write(value, this.#at, 'utf8');
    return true;
  }

  #ascii(value: string): boolean {
    this.#room(SHORT + 1);
    const start = this.#at + 1;
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code >= 0x80) return false;
      this.#buffer[start + index] = code;
    }
    this.#buffer[this.#at] = value.length;
    this.#at = start + value.length;
    return true;
  }

  /** Begins something that has its length before it; `end` takes what this returns. */
  begin(): number {
    this.#room(1);
    return ++this.#at;
  }

  end(start: number): void {
    const length = this.#at - start;
    let extra = 0;
    for (let rest = length; rest >= 0x80; rest = Math.floor(rest / 0x80)) extra++;
    // Also for `varint`, which must find room where it begins: what grows is copied up to there only.
    this.#room(extra + 10);
    if (extra > 0) this.#buffer.copyWithin(start + extra, start, this.#at);
    this.#at = start - 1;
    this.varint(length);
    this.#at += length;
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#at);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#at + bytes, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
