import { LineSplitter } from '../step/line-splitter.js';
import { Output } from '../step/output.js';
import type { LogEntry } from './types.js';

type StreamName = 'stdout' | 'stderr';

/**
 * What a step prints comes by three ways: frames, for what its language prints, and the two pipes behind descriptors 1 and 2, for what
 * libraries and children write. Each is cut into lines by itself, so that none tears another's line apart.
 */
export class LogLines {
  readonly #emit: (entry: LogEntry) => void;
  readonly #splitters = new Map<string, { readonly stream: StreamName; readonly splitter: LineSplitter }>();
  readonly #kept: Readonly<Record<StreamName, Output>>;

  /** `collect`: bytes of each stream that are kept for the result. */
  constructor(collect: number, emit: (entry: LogEntry) => void) {
    this.#kept = { stdout: new Output('stdout', collect), stderr: new Output('stderr', collect) };
    this.#emit = emit;
  }

  get truncated(): boolean {
    return this.#kept.stdout.truncated || this.#kept.stderr.truncated;
  }

  push(way: 'frame' | 'pipe', stream: StreamName, data: Uint8Array): void {
    const bytes = Buffer.from(data); // a copy, as a view would keep all that it was read with
    this.#kept[stream].accept(bytes);
    let source = this.#splitters.get(way + stream);
    if (source === undefined) {
      source = { stream, splitter: new LineSplitter() };
      this.#splitters.set(way + stream, source);
    }
    for (const line of source.splitter.push(bytes)) this.#emit({ stream, ...line });
  }

  /** Lines that have no newline. */
  end(): void {
    for (const { stream, splitter } of this.#splitters.values()) {
      for (const line of splitter.end()) this.#emit({ stream, ...line });
    }
  }

  collected(stream: StreamName): string | Uint8Array {
    return this.#kept[stream].collected('utf8');
  }
}
