import { setImmediate as turn } from 'node:timers/promises';
import type { ChunkQueue } from '../step/chunk-queue.js';
import type { Flow } from '../step/output.js';
import { Conversation } from './conversation.js';
import { Delivery } from './delivery.js';
import { type Printed, Prints } from './log-lines.js';
import type { Payload } from './messages/from-step.js';

/** Where a step's output is read. */
export interface StepPipes {
  /** Its stdout, where it speaks frames. */
  readonly frames?: ChunkQueue;
  /** Its stdout, where it only prints. */
  readonly stdout?: ChunkQueue;
  readonly stderr: ChunkQueue;
}

export interface ListeningOptions {
  readonly maxFrameBytes: number;
  readonly maxMessages: number;
  /** Milliseconds. */
  readonly messageTimeout: number;
  /** Bytes of each stream of logs that are kept. */
  readonly collect: number;
  /** Answers what is wrong with a payload. */
  readonly check: (payload: Payload) => string | undefined;
  /** The step has said what it must not: called once, while it may still run. */
  readonly onRefused: () => void;
}

/** Less at once is not worth the app's while: it waits until there is more. In bytes. */
const SMALL = 512;
const SHORTEST_REST_MS = 1;
const LONGEST_REST_MS = 16;
/** Looks at a frame that has begun, until it is overdue. */
const LOOKS = 8;
/** Of a longer one Node makes one of a millisecond. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** So many frames, and the rest of the app has its turn. */
const FRAMES_AT_ONCE = 256;

/**
 * Reads all that a step says and prints, as fast as the app takes it: frames that wait are neither decoded nor read any further, so that
 * the step waits, too.
 */
export class Listening {
  readonly messages: Delivery<Payload>;
  readonly logs: Delivery<Printed>;
  readonly prints: Prints;
  readonly #conversation: Conversation;
  readonly #options: ListeningOptions;
  #pipes: StepPipes | undefined;
  #printsFlow: Flow | undefined;
  #refusal: string | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #looks = 0;
  /** Frames were whole since a frame was last looked at: the one that is waited for now is another. */
  #isAnother = false;
  #rest: NodeJS.Timeout | undefined;
  #restMs = SHORTEST_REST_MS;
  #turn: NodeJS.Immediate | undefined;
  #isBusy = false;

  constructor(options: ListeningOptions) {
    this.#options = options;
    this.messages = new Delivery('messages', this.#read);
    this.logs = new Delivery('logs', this.#read);
    this.prints = new Prints(options.collect, (printed) => {
      this.logs.push(printed, printed.bytes.length);
    });
    this.#conversation = new Conversation(options, options.check, {
      log: (stream, data) => {
        this.prints.push('frame', stream, data);
      },
      message: (payload) => {
        // A copy, as a view would keep all that it was read with.
        this.messages.push({ ...payload, bytes: payload.bytes.slice() }, payload.bytes.length);
      },
    });
  }

  /** What the step must not have said. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  get claim(): Conversation['claim'] {
    return this.#conversation.claim;
  }

  listen(pipes: StepPipes): void {
    this.#pipes = pipes;
    for (const queue of [pipes.frames, pipes.stdout, pipes.stderr]) {
      if (queue !== undefined) queue.onChange = this.#read;
    }
    this.#read();
  }

  /** The pipe behind descriptor 1 of the step exists. */
  openPrints(flow: Flow): void {
    this.#printsFlow = flow;
  }

  /** What came by descriptor 1 or 2 of the step's own code. */
  print(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.prints.push('pipe', stream, chunk);
    if (stream === 'stdout' && this.logs.full) this.#printsFlow?.pause();
  }

  /** The step is over and all that it wrote is here: it is taken in, however much waits. That can be a whole pipe of the smallest frames. */
  async finish(): Promise<void> {
    this.#stopTimers();
    const pipes = this.#pipes;
    this.#pipes = undefined;
    if (pipes !== undefined) {
      this.#takeLogs(pipes);
      for (let chunk = pipes.frames?.take(); chunk !== undefined; chunk = pipes.frames?.take()) {
        this.#conversation.push(chunk);
        await this.#takeFrames();
      }
      await this.#takeFrames();
      this.#conversation.end();
      this.#refusal ??= this.#conversation.refusal;
    }
    this.messages.end();
    this.logs.end();
  }

  async #takeFrames(): Promise<void> {
    for (let left = FRAMES_AT_ONCE; this.#conversation.step(); left--) {
      if (left > 0) continue;
      await turn();
      left = FRAMES_AT_ONCE;
    }
  }

  fail(error: Error): void {
    this.#stopTimers();
    this.#pipes = undefined;
    this.messages.fail(error);
    this.logs.fail(error);
  }

  get #isHeldBack(): boolean {
    return this.messages.full || this.logs.full;
  }

  readonly #read = (): void => {
    if (this.#isBusy || this.#pipes === undefined) return; // what is pushed here may be taken at once
    this.#isBusy = true;
    try {
      this.#readFrom(this.#pipes);
    } finally {
      this.#isBusy = false;
    }
  };

  #readFrom(pipes: StepPipes): void {
    if (!this.logs.full) {
      this.#printsFlow?.resume();
      this.#takeLogs(pipes);
    }
    let left = FRAMES_AT_ONCE;
    let isSmall = false;
    while (!this.#isHeldBack && this.#refusal === undefined) {
      if (this.#conversation.step()) {
        this.#isAnother = true;
        isSmall = false;
        if (--left > 0) continue;
        this.#turn ??= setImmediate(() => {
          this.#turn = undefined;
          this.#read();
        });
        break;
      }
      if (this.#conversation.refusal !== undefined) break;
      const chunk = pipes.frames?.take();
      if (chunk === undefined) break;
      isSmall = chunk.length < SMALL;
      this.#conversation.push(chunk);
    }
    if (this.#conversation.refusal !== undefined) this.#refuse(this.#conversation.refusal);
    else this.#watch(pipes.frames, isSmall);
  }

  #takeLogs({ stdout, stderr }: StepPipes): void {
    for (let chunk = stdout?.take(); chunk !== undefined; chunk = stdout?.take()) this.print('stdout', chunk);
    for (let chunk = stderr.take(); chunk !== undefined; chunk = stderr.take()) this.print('stderr', chunk);
  }

  /** A frame that has begun has a deadline; one that comes in small pieces is let come together first. */
  #watch(frames: ChunkQueue | undefined, isSmall: boolean): void {
    if (!this.#conversation.isWaiting) {
      clearTimeout(this.#deadline);
      this.#deadline = undefined;
      this.#restMs = SHORTEST_REST_MS;
      return;
    }
    if (this.#deadline === undefined && this.#options.messageTimeout !== Infinity) this.#lookLater(0);
    if (frames === undefined || !isSmall || this.#rest !== undefined) return;
    frames.held = true;
    this.#rest = setTimeout(() => {
      this.#rest = undefined;
      frames.held = false;
    }, this.#restMs).unref();
    this.#restMs = Math.min(this.#restMs * 2, LONGEST_REST_MS);
  }

  /**
   * The app may be what the frame waits for: it may hold the step back, or its event loop may be blocked. Timers run before input is
   * polled, so a block of any length is one look, and before the next look what is in the pipe has its turn.
   */
  #lookLater(looks: number): void {
    this.#looks = looks;
    this.#isAnother = false;
    this.#deadline = setTimeout(
      () => {
        this.#deadline = undefined;
        if (this.#isHeldBack || this.#isAnother) this.#read();
        else if (this.#looks + 1 < LOOKS) this.#lookLater(this.#looks + 1);
        else this.#refuse(`a frame had not come whole ${this.#options.messageTimeout} ms after it had begun`);
      },
      Math.min(this.#options.messageTimeout / LOOKS, LONGEST_TIMER_MS),
    ).unref();
  }

  #refuse(reason: string): void {
    if (this.#refusal !== undefined) return;
    this.#refusal = reason;
    this.#stopTimers();
    this.#pipes?.frames?.detach(); // it is of no interest any more, and must not fill the pipe
    this.#options.onRefused();
  }

  #stopTimers(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#rest);
    clearImmediate(this.#turn);
    this.#deadline = this.#rest = this.#turn = undefined;
  }
}
