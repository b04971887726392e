import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SandboxError } from '../errors.js';
import { invalidOption } from '../options/check.js';
import { show } from '../show.js';
import type { ResolvedOptions } from '../options/resolve.js';
import type { Input } from '../options/sandbox-options.js';
import type { Addon } from '../spawner/native.js';
import { StdinPipe } from './stdin-pipe.js';
import { inputFailed, inputTooLong, type StepWritable } from './step-writable.js';

/** Where the bytes of stdin come from. */
export type InputSource =
  | { readonly kind: 'none' }
  | { readonly kind: 'pipe' }
  | { readonly kind: 'value'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'stream';
      readonly pieces: Readable | Iterable<unknown> | AsyncIterable<unknown>;
    };

export function inputSource(
  input: Input | undefined,
  { stdin, terminal }: Pick<ResolvedOptions, 'stdin' | 'terminal'>,
): InputSource {
  if (input === undefined) return { kind: stdin === 'pipe' || terminal !== undefined ? 'pipe' : 'none' };
  if (stdin === 'pipe') throw invalidOption('input', "cannot be given together with stdin: 'pipe'");
  if (typeof input === 'string') return { kind: 'value', bytes: Buffer.from(input) };
  if (input instanceof Uint8Array) return { kind: 'value', bytes: input };
  if (isIterable(input)) return { kind: 'stream', pieces: input };
  throw invalidOption('input', `must be a string, bytes, a stream or an iterable of those, and is ${show(input)}`);
}

function isIterable(value: unknown): value is Iterable<unknown> | AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
}

/** What can be known before the step is started: that a value is too long. */
export function refuseTooLong(source: InputSource, limit: number): void {
  if (source.kind === 'value' && source.bytes.length > limit) throw inputTooLong(limit);
}

/** Writes a whole value and closes. Most values fit into the pipe, and then no stream is made at all. */
export function giveValue(addon: Addon, descriptor: number, bytes: Uint8Array): StdinPipe | undefined {
  const written = bytes.length === 0 ? 0 : addon.write(descriptor, bytes);
  if (written === bytes.length) {
    addon.close(descriptor);
    return undefined;
  }
  const pipe = new StdinPipe(Infinity);
  pipe.open(addon, descriptor);
  pipe.end(bytes.subarray(Math.max(0, written)));
  return pipe;
}

/**
 * Writes pieces as the step takes them. Rejects with `ERR_INPUT` when their source fails or is too long. A step that
 * reads no further ends its source: one without an end would otherwise be dropped piece by piece for ever.
 */
export async function givePieces(
  pieces: Readable | Iterable<unknown> | AsyncIterable<unknown>,
  pipe: StepWritable,
): Promise<void> {
  try {
    if (isOwnIterator(pieces)) await giveEach(pieces, pipe);
    else await giveStream(pieces, pipe);
  } catch (cause) {
    if (cause instanceof SandboxError) throw cause;
    throw inputFailed(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

async function giveStream(pieces: Readable | Iterable<unknown>, pipe: StepWritable): Promise<void> {
  const refused = new AbortController();
  pipe.onRefused = () => {
    refused.abort();
  };
  try {
    const source = pieces instanceof Readable ? pieces : Readable.from(pieces);
    await pipeline(source, pipe, { signal: refused.signal });
  } catch (cause) {
    if (!refused.signal.aborted) throw cause;
  }
}

function isOwnIterator(
  pieces: Readable | Iterable<unknown> | AsyncIterable<unknown>,
): pieces is AsyncIterable<unknown> {
  return Symbol.asyncIterator in pieces && !('pipe' in pieces);
}

/** Without streams in between, which take longer than all the rest of a small message. */
async function giveEach(pieces: AsyncIterable<unknown>, pipe: StepWritable): Promise<void> {
  const iterator = pieces[Symbol.asyncIterator]();
  const state = { isOver: false };
  const leave = (): void => {
    if (state.isOver) return;
    state.isOver = true;
    // Also of one that is no promise, or throws at once: there is nobody left to tell.
    (async (): Promise<unknown> => iterator.return?.())().catch(() => undefined);
  };
  pipe.onRefused = leave;
  pipe.once('close', leave);
  try {
    for (;;) {
      const next: IteratorResult<unknown> = await iterator.next();
      if (state.isOver) return;
      if (next.done === true) break;
      if (!pipe.write(next.value)) await drained(pipe);
    }
  } catch (error) {
    if (state.isOver) return;
    leave();
    pipe.destroy();
    throw error;
  }
  state.isOver = true;
  pipe.end();
}

function drained(pipe: StepWritable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      pipe.off('drain', done).off('close', done);
      resolve();
    };
    pipe.on('drain', done).on('close', done);
  });
}
