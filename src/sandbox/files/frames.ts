/** As in native/sandbox/files.h. */
export const FRAME = { data: 1, entry: 2, end: 3, problem: 4 } as const;

const HEADER = 5;
export const MOST_DATA = 64 * 1024;
const LONGEST_PATH = 4095;
/** Of each kind, by its number; what comes from a sandbox may be anything. */
const LONGEST: Readonly<Partial<Record<number, number>>> = {
  [FRAME.data]: MOST_DATA,
  [FRAME.entry]: 29 + 255 + LONGEST_PATH,
  [FRAME.end]: 0,
  [FRAME.problem]: 5 + LONGEST_PATH,
};

export interface Frame {
  readonly kind: number;
  /** Of data, as much as has come: a frame of them may be handed on in parts. */
  readonly payload: Buffer;
}

/** It is no frame. The message says why. */
export class Malformed extends Error {}

/** Cuts what a sandbox sends into frames. Keeps no more than one frame that is no data, and copies no data. */
export class FrameReader {
  #kept = Buffer.alloc(0);
  /** Of a frame of data, what is still to come. */
  #dataLeft = 0;

  /** Whether it stands between two frames. */
  get isWhole(): boolean {
    return this.#kept.length === 0 && this.#dataLeft === 0;
  }

  /** @throws Malformed */
  *push(chunk: Buffer): Generator<Frame> {
    let rest = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = Buffer.alloc(0);
    while (rest.length > 0) {
      if (this.#dataLeft > 0) {
        const payload = rest.subarray(0, this.#dataLeft);
        this.#dataLeft -= payload.length;
        rest = rest.subarray(payload.length);
        yield { kind: FRAME.data, payload };
        continue;
      }
      if (rest.length < HEADER) break;
      const kind = rest.readUInt8(0);
      const length = checkLength(kind, rest.readUInt32LE(1));
      if (kind === FRAME.data) {
        this.#dataLeft = length;
        rest = rest.subarray(HEADER);
        continue;
      }
      if (rest.length < HEADER + length) break;
      yield { kind, payload: rest.subarray(HEADER, HEADER + length) };
      rest = rest.subarray(HEADER + length);
    }
    this.#kept = Buffer.from(rest);
  }
}

function checkLength(kind: number, length: number): number {
  const longest = LONGEST[kind];
  if (longest === undefined) throw new Malformed(`frame of unknown kind ${kind}`);
  if (length > longest) throw new Malformed(`frame of kind ${kind} with ${length} bytes`);
  return length;
}

export function encodeFrame(kind: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER + payload.length);
  frame.writeUInt8(kind, 0);
  frame.writeUInt32LE(payload.length, 1);
  frame.set(payload, HEADER);
  return frame;
}

/** As many frames as it takes. */
export function* encodeData(bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += MOST_DATA)
    yield encodeFrame(FRAME.data, bytes.subarray(at, at + MOST_DATA));
}

export const END_FRAME: Buffer = encodeFrame(FRAME.end, Buffer.alloc(0));
