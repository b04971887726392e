import { SandboxError } from '../../errors.js';
import type { StepResult } from '../../result.js';
import type { ChunkQueue } from '../../step/chunk-queue.js';
import type { InputSource } from '../../step/input.js';
import type { RunningStep } from '../../step/running-step.js';
import { type Frame, FRAME, FrameReader, Malformed } from './frames.js';
import type { FilesRequest } from './plan.js';
import { type Deed, filesError, notUnderstood, problemOf } from './problem.js';

/** The command, as far as it is used here. */
export type FilesCommand = Pick<RunningStep, 'attach' | 'destroy' | 'result'>;

/** Starts the command for an operation. */
export type StartFiles = (request: FilesRequest, source: InputSource, signal: AbortSignal | undefined) => FilesCommand;

export interface OperationOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/** One operation: a command with a program of the library's, and what it sends. */
export class Operation {
  readonly #deed: Deed;
  readonly #step: FilesCommand;
  readonly #queue: ChunkQueue;
  readonly #signal: AbortSignal | undefined;
  #hasAnswered = false;

  constructor(
    start: StartFiles,
    deed: Deed,
    words: readonly (string | Buffer)[],
    { timeout, signal }: OperationOptions,
    content?: AsyncIterable<Uint8Array>,
  ) {
    this.#deed = deed;
    this.#signal = signal;
    const request = {
      words: words.map((word) => Buffer.from(word as string)),
      timeout,
      hasContent: content !== undefined,
    };
    this.#step = start(request, content === undefined ? { kind: 'none' } : { kind: 'stream', pieces: content }, signal);
    this.#queue = this.#step.attach('stdout');
  }

  /** The command has told how it ended: it has cleaned up after itself. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** What it sends, until it says that it is done; rejects when it could not do it. Nothing of it runs any more afterwards. */
  async *frames(): AsyncGenerator<Frame> {
    const reader = new FrameReader();
    try {
      for await (const chunk of chunksOf(this.#queue)) {
        for (const frame of reader.push(chunk)) {
          if (frame.kind === FRAME.end) {
            this.#hasAnswered = true;
            return;
          }
          if (frame.kind === FRAME.problem) throw this.#problem(frame.payload);
          yield frame;
        }
      }
      throw this.#unanswered(await this.#step.result);
    } catch (error) {
      throw error instanceof Malformed ? notUnderstood(this.#deed, error) : error;
    } finally {
      await this.#stop();
    }
  }

  /** For an operation that has nothing to send. */
  async done(): Promise<void> {
    for await (const { kind } of this.frames()) throw notUnderstood(this.#deed, new Malformed(`frame of kind ${kind}`));
  }

  #problem(payload: Buffer): SandboxError {
    const problem = problemOf(this.#deed, payload);
    this.#hasAnswered = true;
    return problem;
  }

  /** What it still says is not heard. */
  async #stop(): Promise<void> {
    this.#queue.detach();
    this.#step.destroy();
    await this.#step.result.catch(() => undefined);
  }

  #unanswered({ cause, scope, detail }: StepResult): SandboxError {
    if (scope === 'sandbox' && cause !== 'oom') {
      return new SandboxError('ERR_SANDBOX_CLOSED', `The sandbox was over before this was done: ${detail}`, {
        remedy: 'Make another by createSandbox().',
      });
    }
    if (cause === 'aborted') return filesError(this.#deed, 'it was aborted', { cause: this.#signal?.reason });
    if (cause === 'wallTimeout') return filesError(this.#deed, 'it took too long', { remedy: 'Raise timeout.' });
    return filesError(this.#deed, `the command that was to do it was ended: ${detail.replace(/\.$/, '')}`);
  }
}

async function* chunksOf(queue: ChunkQueue): AsyncGenerator<Buffer> {
  for (;;) {
    const chunk = queue.take();
    if (chunk !== undefined) {
      yield chunk;
      continue;
    }
    if (queue.error !== undefined) throw queue.error;
    if (queue.done) return;
    await new Promise<void>((resolve) => {
      queue.onChange = resolve;
    });
  }
}
