import { Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ImageProblem } from './problem.js';
import { decompressorOf } from './decompress.js';
import type { Part } from './source.js';

const BLOCK = 512;
const TYPE_AT = 156;
const MAGIC = Buffer.from('ustar');
const MAGIC_AT = 257;
const SIZE_AT = 124;
const GLOBAL = 'g'.charCodeAt(0);
/** Real ones hold a comment. They are copied for each entry, so that large ones would cost hours. */
const MOST_GLOBAL = 4096;

/** What a header says: numbers may be none, or negative. */
export interface TarHeader {
  readonly name: string;
  readonly type: string | null;
  readonly linkname: string | null;
  readonly mode: number;
  readonly size: number;
  readonly mtime: Date;
  readonly byteOffset: number;
  readonly pax: Readonly<Record<string, string>> | null;
}

export interface TarEntry extends Readable {
  readonly header: TarHeader;
}

/** Sees all bytes of an archive. */
export type Watch = (bytes: Buffer) => void;

export interface Watching {
  /** As they are stored. */
  readonly stored?: Watch;
  /** Uncompressed, before they are parsed. */
  readonly archive: Watch;
}

/** Each entry of an archive in turn, to its end: `visit` has read its content, or it is passed over. */
export async function readTar(
  part: Part,
  watching: Watching,
  signal: AbortSignal | undefined,
  visit: (entry: TarEntry) => Promise<void>,
): Promise<void> {
  const { extract } = await import('tar-stream'); // for few, so not at the start
  // Bytes as they are: not every name is UTF-8.
  const entries = extract({ filenameEncoding: 'latin1' } as object) as unknown as Writable & AsyncIterable<TarEntry>;
  const decompress = await decompressorOf(part);
  const guard = globalHeaderGuard();
  const stages = [
    Readable.from(partStream(part)),
    watched(watching.stored),
    ...(decompress === undefined ? [] : [decompress]),
    watched((bytes) => {
      watching.archive(bytes);
      guard(bytes);
    }),
    entries,
  ];
  const fed = pipeline(stages, signal === undefined ? {} : { signal });
  fed.catch(() => undefined); // told below
  try {
    for await (const entry of entries) {
      signal?.throwIfAborted();
      await visit(entry);
      entry.resume();
    }
  } catch (error) {
    entries.destroy();
    // What ended the flow explains why the entries ended, if it did.
    const reason: unknown = await fed.then(
      () => error,
      (cause: unknown) => cause,
    );
    throw isConsequence(reason) ? error : reason;
  }
  await fed;
}

/** The stored bytes from first to last; a file that has become shorter is told by its digest. */
export async function* partStream({ file, start, size }: Part): AsyncGenerator<Buffer> {
  let at = start;
  while (at < start + size) {
    const buffer = Buffer.allocUnsafe(Math.min(1 << 16, start + size - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function watched(watch: Watch | undefined): Transform {
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      try {
        watch?.(bytes);
        done(null, bytes);
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

function globalHeaderGuard(): Watch {
  let left = Buffer.alloc(0);
  return (bytes) => {
    const all = left.length === 0 ? bytes : Buffer.concat([left, bytes]);
    let at = 0;
    for (; at + BLOCK <= all.length; at += BLOCK) if (all[at + TYPE_AT] === GLOBAL) checkGlobal(all, at);
    left = Buffer.from(all.subarray(at));
  };
}

function checkGlobal(all: Buffer, at: number): void {
  if (!all.subarray(at + MAGIC_AT, at + MAGIC_AT + MAGIC.length).equals(MAGIC)) return;
  const size = all.subarray(at + SIZE_AT, at + SIZE_AT + 12).toString('latin1');
  if (/^[ 0]*[0-7]{0,4}[ \0]*$/.test(size) && parseInt(size.trim() || '0', 8) <= MOST_GLOBAL) return;
  throw new ImageProblem(`an archive has a global header of more than ${MOST_GLOBAL} bytes`);
}

/** Of streams that were destroyed because another was. */
function isConsequence(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ERR_STREAM_DESTROYED';
}
