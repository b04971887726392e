import { isAscii, isUtf8 } from 'node:buffer';
import type { Views } from '../views.js';
import { isNull, type Validity } from './bitmap.js';
import { offsetAt } from './offsets.js';

/** From here on the call into the library costs less than our own loop. */
const LONG = 48;

/** Texts one behind the other, as offsets that were checked say. */
export interface Texts {
  /** Places in the file, in bytes. */
  readonly offsets: number;
  readonly data: number;
  readonly length: number;
  readonly validity: Validity;
  /** Offsets have 64 bits. */
  readonly wide: boolean;
}

/** Answers the first that is not UTF-8 and not null, or -1. */
export function wrongText(views: Views, texts: Texts): number {
  const { offsets, data, length, wide } = texts;
  const first = data + offsetAt(views, offsets, 0, wide);
  const last = data + offsetAt(views, offsets, length, wide);
  const all = views.bytes.subarray(first, last);
  if (isAscii(all)) return -1;
  if (isUtf8(all) && areBoundaries(views, texts, last)) return -1;
  return firstWrongText(views, texts);
}

/** Whole text that is UTF-8, cut at the beginnings of characters, is so in every piece. */
function areBoundaries({ u8, u32 }: Views, { offsets, data, length, wide }: Texts, last: number): boolean {
  const step = wide ? 2 : 1;
  const starts = u32.subarray(offsets / 4, offsets / 4 + length * step);
  const content = u8.subarray(data, last);
  for (let index = 0; index < starts.length; index += step) {
    const at = starts[index] as number;
    if (at < content.length && ((content[at] as number) & 0xc0) === 0x80) return false;
  }
  return true;
}

/** One by one: some text is wrong, or there is something else between texts or in nulls, which is permitted. */
function firstWrongText(views: Views, { offsets, data, length, validity, wide }: Texts): number {
  for (let index = 0; index < length; index++) {
    const start = data + offsetAt(views, offsets, index, wide);
    const end = data + offsetAt(views, offsets, index + 1, wide);
    if (!isText(views.bytes, start, end) && !isNull(views, validity, index)) return index;
  }
  return -1;
}

/** Whether bytes are UTF-8, by what is quicker for so many. */
export function isText(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start >= LONG) return isUtf8(bytes.subarray(start, end));
  let at = start;
  while (at < end) {
    const lead = bytes[at] as number;
    if (lead < 0x80) {
      at++;
      continue;
    }
    const size = characterSize(bytes, at, end, lead);
    if (size === 0) return false;
    at += size;
  }
  return true;
}

/** Bytes of the character that begins with `lead` at `at`; 0 if it is none. */
function characterSize(bytes: Uint8Array, at: number, end: number, lead: number): number {
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (at + size > end) return 0;
  const second = bytes[at + 1] as number;
  if (size === 2) return (second & 0xc0) === 0x80 ? 2 : 0;
  if (second < lowestSecond(lead) || second > highestSecond(lead)) return 0;
  for (let index = at + 2; index < at + size; index++) {
    if (((bytes[index] as number) & 0xc0) !== 0x80) return 0;
  }
  return size;
}

/** No longer form of a short character. */
function lowestSecond(lead: number): number {
  return lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
}

/** No surrogate, and nothing beyond U+10FFFF. */
function highestSecond(lead: number): number {
  return lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
}
