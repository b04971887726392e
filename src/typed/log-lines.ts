import { type Line, LineSplitter } from '../step/line-splitter.js';
import { Output } from '../step/output.js';
import type { LogEntry } from './types.js';

type StreamName = 'stdout' | 'stderr';
type Way = 'frame' | 'pipe';

/** Bytes that were printed, which may be parts of lines. */
export interface Printed {
  readonly way: Way;
  readonly stream: StreamName;
  readonly bytes: Buffer;
}

/** What a step prints, as bytes: a line is made when somebody takes it, or a step that prints nothing but newlines would be costly. */
export class Prints {
  readonly #emit: (printed: Printed) => void;
  readonly #kept: Readonly<Record<StreamName, Output>>;

  /** `collect`: bytes of each stream that are kept for the result. */
  constructor(collect: number, emit: (printed: Printed) => void) {
    this.#kept = { stdout: new Output('stdout', collect), stderr: new Output('stderr', collect) };
    this.#emit = emit;
  }

  get truncated(): boolean {
    return this.#kept.stdout.truncated || this.#kept.stderr.truncated;
  }

  push(way: Way, stream: StreamName, data: Uint8Array): void {
    const bytes = Buffer.from(data); // a copy, as a view would keep all that it was read with
    this.#kept[stream].accept(bytes);
    this.#emit({ way, stream, bytes });
  }

  collected(stream: StreamName): string | Uint8Array {
    return this.#kept[stream].collected('utf8');
  }
}

/**
 * What a step prints comes by three ways: frames, for what its language prints, and the two pipes behind descriptors 1 and 2, for what
 * libraries and children write. Each is cut into lines by itself, so that none tears another's line apart.
 */
export class LogLines {
  readonly #splitters = new Map<string, { readonly stream: StreamName; readonly splitter: LineSplitter }>();

  *push({ way, stream, bytes }: Printed): Generator<LogEntry> {
    let source = this.#splitters.get(way + stream);
    if (source === undefined) {
      source = { stream, splitter: new LineSplitter() };
      this.#splitters.set(way + stream, source);
    }
    yield* entries(stream, source.splitter.push(bytes));
  }

  /** Lines that have no newline. */
  *end(): Generator<LogEntry> {
    for (const { stream, splitter } of this.#splitters.values()) yield* entries(stream, splitter.end());
  }
}

function* entries(stream: StreamName, lines: Iterable<Line>): Generator<LogEntry> {
  for (const line of lines) yield { stream, ...line };
}
