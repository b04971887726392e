import { isAscii, isUtf8 } from 'node:buffer';
import type { Place, Views } from '../views.js';
import { isNull, type Validity } from './bitmap.js';
import { isText } from './text.js';

/** Longest value that lies in the view itself. */
const INLINE = 12;
const VIEW_BYTES = 16;
/** Views may overlap, so a value's bytes may be looked at often: together at most so many times the bytes that are there. */
const LOOKS = 4;

/** What is known of a buffer of text as a whole. */
type Content = 'ascii' | 'utf8' | 'any';

/** What is wrong with one view. */
export interface WrongView {
  readonly index: number;
  readonly problem: string;
}

export class ViewCheck {
  readonly #views: Views;
  readonly #buffers: readonly Place[];
  readonly #contents: readonly Content[];
  readonly #utf8: boolean;
  #looks: number;

  constructor(views: Views, buffers: readonly Place[], utf8: boolean) {
    this.#views = views;
    this.#buffers = buffers;
    this.#utf8 = utf8;
    this.#contents = buffers.map((place) => (utf8 ? contentOf(views.bytes, place) : 'ascii'));
    this.#looks = buffers.reduce((sum, { size }) => sum + size, 0) * LOOKS;
  }

  /** The first of `length` views at `at` that is wrong and not null. */
  firstWrong(at: number, length: number, validity: Validity): WrongView | undefined {
    for (let index = 0; index < length; index++) {
      const problem = this.#problem(at + index * VIEW_BYTES);
      if (problem !== '' && !isNull(this.#views, validity, index)) return { index, problem };
    }
    return undefined;
  }

  #problem(at: number): string {
    const size = this.#views.i32[at / 4] as number;
    if (size < 0) return 'its length is negative';
    return size <= INLINE ? this.#inline(at, size) : this.#elsewhere(at, size);
  }

  #inline(at: number, size: number): string {
    const { u8, i32 } = this.#views;
    const word = at / 4;
    const first = i32[word + 1] as number;
    const second = i32[word + 2] as number;
    const third = i32[word + 3] as number;
    if (behind(size, first, second, third) !== 0) return 'there is something behind its end';
    if (!this.#utf8 || ((first | second | third) & 0x8080_8080) === 0) return '';
    return isText(u8, at + 4, at + 4 + size) ? '' : 'it is not UTF-8';
  }

  #elsewhere(at: number, size: number): string {
    const { u8, i32 } = this.#views;
    const which = i32[at / 4 + 2] as number;
    const offset = i32[at / 4 + 3] as number;
    const place = which < 0 ? undefined : this.#buffers[which];
    if (place === undefined) return `it lies in buffer ${which}, and there are ${this.#buffers.length}`;
    if (offset < 0 || offset > place.size || size > place.size - offset) return 'it reaches beyond its buffer';
    const start = place.at + offset;
    for (let index = 0; index < 4; index++) {
      if (u8[at + 4 + index] !== u8[start + index]) return 'its beginning differs from the copy in the view';
    }
    return this.#contents[which] === 'ascii' ? '' : this.#text(which, start, start + size, place);
  }

  #text(which: number, start: number, end: number, place: Place): string {
    if (this.#contents[which] === 'utf8') {
      return this.#isBoundary(start, place) && this.#isBoundary(end, place) ? '' : 'it is not UTF-8';
    }
    this.#looks -= end - start;
    if (this.#looks < 0) return 'views overlap so often that they cannot be checked';
    return isText(this.#views.bytes, start, end) ? '' : 'it is not UTF-8';
  }

  #isBoundary(at: number, place: Place): boolean {
    return at === place.at + place.size || ((this.#views.u8[at] as number) & 0xc0) !== 0x80;
  }
}

/** The bytes of three words, little-endian, without the first `size`. */
function behind(size: number, first: number, second: number, third: number): number {
  if (size < 4) return (first >>> (8 * size)) | second | third;
  if (size < 8) return (second >>> (8 * (size - 4))) | third;
  return size < INLINE ? third >>> (8 * (size - 8)) : 0;
}

function contentOf(bytes: Uint8Array, { at, size }: Place): Content {
  const content = bytes.subarray(at, at + size);
  if (isAscii(content)) return 'ascii';
  return isUtf8(content) ? 'utf8' : 'any';
}
