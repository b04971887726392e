import { FrameReader } from './messages/frames.js';
import { type FromStep, type Payload, readFromStep } from './messages/from-step.js';

/** Logs are frames, too, and one of a byte takes as long as one of a thousand. */
const MOST_FRAMES = 1_000_000;

export interface ConversationLimits {
  readonly maxFrameBytes: number;
  readonly maxMessages: number;
}

export interface ConversationListener {
  log(stream: 'stdout' | 'stderr', data: Uint8Array): void;
  message(payload: Payload): void;
}

/** How the step says that it has ended. Its claim, as all is. */
export type Claim = Extract<FromStep, { readonly kind: 'result' | 'failure' }>;

/**
 * What a step says on its stdout, in the order that proto/step.proto has: logs and messages, then one end, then nothing. The first thing
 * that is wrong is kept as `refusal`, and nothing is looked at after it.
 */
export class Conversation {
  readonly #reader: FrameReader;
  readonly #limits: ConversationLimits;
  readonly #check: (payload: Payload) => string | undefined;
  readonly #listener: ConversationListener;
  #claim: Claim | undefined;
  #refusal: string | undefined;
  #messages = 0;
  #frames = 0;

  /** `check` answers what is wrong with a payload. */
  constructor(
    limits: ConversationLimits,
    check: (payload: Payload) => string | undefined,
    listener: ConversationListener,
  ) {
    this.#reader = new FrameReader(limits);
    this.#limits = limits;
    this.#check = check;
    this.#listener = listener;
  }

  get claim(): Claim | undefined {
    return this.#claim;
  }

  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Part of a frame is there, and the rest is not. */
  get isWaiting(): boolean {
    return this.#refusal === undefined && this.#reader.partial !== undefined;
  }

  push(chunk: Uint8Array): void {
    if (this.#refusal === undefined) this.#reader.push(chunk);
  }

  /** Deals with one frame; answers whether there was one. */
  step(): boolean {
    if (this.#refusal !== undefined) return false;
    const frame = this.#reader.next();
    this.#refusal = this.#reader.refusal;
    if (frame === undefined || this.#refusal !== undefined) return false;
    this.#refusal = this.#take(frame);
    return this.#refusal === undefined;
  }

  /** The step writes no more, and all whole frames were dealt with. */
  end(): void {
    const { partial } = this.#reader;
    if (this.#refusal !== undefined || partial === undefined) return;
    const of = partial.of === undefined ? '' : ` of ${partial.of}`;
    this.#refusal = `a frame is truncated: ${partial.have}${of} bytes of it came before the end of its output`;
  }

  #take(frame: Uint8Array): string | undefined {
    if (this.#claim !== undefined) return `something follows its ${this.#claim.kind}, which must be the last frame`;
    const mostFrames = MOST_FRAMES + this.#limits.maxMessages;
    if (++this.#frames > mostFrames) return `it sent more than ${mostFrames} frames`;
    const said = readFromStep(frame);
    if ('refusal' in said) return said.refusal;
    switch (said.kind) {
      case 'log':
        this.#listener.log(said.stream, said.data);
        return undefined;
      case 'message': {
        if (++this.#messages > this.#limits.maxMessages)
          return `it sent more than ${this.#limits.maxMessages} messages`;
        const refusal = this.#check(said.payload);
        if (refusal !== undefined) return `message ${this.#messages}: ${refusal}`;
        this.#listener.message(said.payload);
        return undefined;
      }
      case 'result': {
        const refusal = said.payload === undefined ? undefined : this.#check(said.payload);
        if (refusal !== undefined) return `the result: ${refusal}`;
        this.#claim = said;
        return undefined;
      }
      case 'failure':
        this.#claim = said;
        return undefined;
    }
  }
}
