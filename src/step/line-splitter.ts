import { Pieces } from './pieces.js';

/** A line, or a piece of one that is longer than `LONGEST_LINE`. */
export interface Line {
  readonly text: string;
  /** The rest of the line follows as the next one. */
  readonly partial: boolean;
}

/** In bytes. What is longer could otherwise fill the app's memory before its first newline. */
export const LONGEST_LINE = 2 ** 20;

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Cuts bytes into lines, without `\n` or `\r\n`. Cutting comes before decoding, so no character is torn apart. */
export class LineSplitter {
  readonly #rest = new Pieces();

  *push(chunk: Buffer): Generator<Line> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield* this.#add(chunk.subarray(start, end));
      yield { text: decodeLine(this.#rest.take()), partial: false };
      start = end + 1;
    }
    if (start < chunk.length) yield* this.#add(chunk.subarray(start));
  }

  /** What stands behind the last newline. */
  *end(): Generator<Line> {
    if (this.#rest.bytes > 0) yield { text: this.#rest.take().toString('utf8'), partial: false };
  }

  *#add(bytes: Buffer): Generator<Line> {
    this.#rest.push(bytes);
    if (this.#rest.bytes <= LONGEST_LINE) return;
    let rest = this.#rest.take();
    while (rest.length > LONGEST_LINE) {
      const cut = characterStart(rest, LONGEST_LINE);
      yield { text: rest.toString('utf8', 0, cut), partial: true };
      rest = rest.subarray(cut);
    }
    this.#rest.push(rest);
  }
}

function decodeLine(line: Buffer): string {
  return line.toString('utf8', 0, line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length);
}

/** The last start of a UTF-8 character at or before an offset; the offset itself if what is there is not UTF-8. */
function characterStart(bytes: Buffer, offset: number): number {
  for (let at = offset; at > offset - 4; at--) {
    if (((bytes[at] ?? 0) & 0xc0) !== 0x80) return at;
  }
  return offset;
}
