import { setMaxListeners } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { type SandboxError, StepError } from '../errors.js';
import { invalidOption } from '../options/check.js';
import { show } from '../show.js';
import type { Plan } from '../plan.js';
import type { StepResult } from '../result.js';
import { buildResult } from '../result/build.js';
import { notStarted } from '../result/not-started.js';
import type { Connection, StepListener } from '../spawner/connection.js';
import { CAUSES, type EndedMessage, type TerminalSize } from '../spawner/messages.js';
import type { Addon, Pipes } from '../spawner/native.js';
import type { Duration } from '../units.js';
import type { ChunkQueue } from './chunk-queue.js';
import type { Further } from './further.js';
import { IdleTimer } from './idle-timer.js';
import type { InputSource } from './input.js';
import { killRequest } from './kill-request.js';
import { type LineIterator, Lines } from './lines.js';
import type { Step } from './step.js';
import { StepInput } from './step-input.js';
import { type OutputName, StepOutputs } from './step-outputs.js';
import { StepTerminal } from './terminal.js';

type Cause = (typeof CAUSES)[number];

/** What a step needs of the rest of the library. */
export interface StepContext {
  readonly addon: Addon;
  /** Throws when there can be no spawner. */
  readonly connection: () => Connection;
  /** It does not keep the event loop alive. @default false */
  readonly background?: boolean;
  /** What the step is given besides stdin, stdout and stderr. At most 32. @default none */
  readonly further?: readonly Further[];
  /** Of a zygote: called when it is warm, and then every so many forks. */
  readonly onWarm?: (words: Uint8Array, rssBytes: number) => void;
  /** Called when the step is released, if its settings ask for being told. */
  readonly onStarted?: (step: RunningStep) => void;
  /** What it runs in has been told to stand still: that it says nothing is not its doing. */
  readonly standsStill?: () => boolean;
  /** Called once, when the step has its result. */
  readonly onSettled: (step: RunningStep, outcome: StepResult | SandboxError) => void;
}

const idPrefix = `step-${process.pid.toString(36)}-${Date.now().toString(36)}`;
let lastId = 0;

/** The handle of one step, from before it is sent to after its result. */
export class RunningStep implements Step, StepListener {
  readonly id = `${idPrefix}-${++lastId}`;
  readonly #plan: Plan;
  readonly #context: StepContext;
  readonly #signal: AbortSignal | undefined;
  readonly #input: StepInput;
  readonly #outputs: StepOutputs;
  readonly #terminal: StepTerminal;
  readonly #result: Promise<StepResult>;
  #resolve!: (result: StepResult) => void;
  #reject!: (error: Error) => void;
  /** Somebody will notice an error. */
  #used = false;
  #settled = false;

  #connection: Connection | undefined;
  #stepId = 0;
  #ended: EndedMessage | undefined;
  #inputError: SandboxError | undefined;
  #idle: IdleTimer | undefined;
  /** Why we asked for its end, should it not have been sent yet. */
  #endedFor: Cause = 'destroyed';

  constructor(plan: Plan, source: InputSource, signal: AbortSignal | undefined, context: StepContext) {
    this.#plan = plan;
    this.#context = context;
    this.#signal = signal;
    this.#input = new StepInput(
      source,
      plan.options.limits.input,
      (error) => {
        this.#inputFailed(error);
      },
      plan.options.terminal !== undefined,
    );
    this.#terminal = new StepTerminal(plan.options.terminal);
    this.#outputs = new StepOutputs(plan.options, context.further);
    this.#result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#result.catch(() => undefined);
  }

  /** Sends the step on its way. What goes wrong surfaces in the result. */
  start(): void {
    if (this.#signal?.aborted === true) {
      this.#finishUnsent('aborted');
      return;
    }
    if (this.#signal !== undefined) {
      setMaxListeners(0, this.#signal); // one signal may well end hundreds of steps, which Node takes for a leak
      this.#signal.addEventListener('abort', this.#onAbort, { once: true });
    }
    const { file, argv, policy, settings, options } = this.#plan;
    this.#outputs.relay(options);
    const pipes = {
      stdin: this.#input.needed,
      stdout: options.stdout !== 'ignore',
      stderr: options.stderr !== 'ignore',
      terminal: options.terminal !== undefined,
    };
    try {
      this.#input.check();
      this.#connection = this.#context.connection();
      const { background = false, further = [] } = this.#context;
      this.#stepId = this.#connection.start({ file, argv, policy, settings, pipes, further, background }, this);
    } catch (error) {
      this.failed(error as SandboxError);
    }
  }

  // ------------------------------------------------------------ what the app does

  get result(): Promise<StepResult> {
    this.#used = true;
    return this.#result;
  }

  then<A = StepResult, B = never>(
    onFulfilled?: ((result: StepResult) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result.then(onFulfilled, onRejected);
  }

  get stdin(): Writable | null {
    return this.#input.stream;
  }

  get stdout(): Readable {
    return this.#outputs.stream('stdout');
  }

  get stderr(): Readable {
    return this.#outputs.stream('stderr');
  }

  lines(from: OutputName | 'both' = 'stdout'): LineIterator {
    if (!['stdout', 'stderr', 'both'].includes(from)) throw invalidOption('lines()', `has no stream ${show(from)}`);
    return new Lines(() => {
      this.#used = true;
      return this.#outputs.attach(from);
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<string> {
    return this.lines()[Symbol.asyncIterator]();
  }

  resize(size: TerminalSize): void {
    this.#terminal.resize(size);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL', { grace }: { readonly grace?: Duration } = {}): void {
    const request = killRequest(signal, grace, this.#plan.options.killGrace);
    this.#end(request.cause, request.signal, request.graceMs);
  }

  /** The number by which the spawner knows it. */
  get stepId(): number {
    return this.#stepId;
  }

  /** It was released into a sandbox, and has ended. */
  get ran(): boolean {
    return this.#ended?.notStarted === false;
  }

  /** All bytes of a stream, for the library itself. Before the first one has come, unless they are collected. */
  attach(name: OutputName): ChunkQueue {
    return this.#outputs[name].attach();
  }

  /** Ends the step for a reason that the library has seen. */
  end(cause: Cause): void {
    this.#end(cause);
  }

  /** What it runs in stood still, and goes on. */
  goesOn(): void {
    this.#idle?.touch();
  }

  /** Ends the step because what it runs in goes away. */
  destroy(): void {
    this.#end('destroyed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#used = true;
    this.destroy();
    await this.#result.catch(() => undefined);
  }

  // ------------------------------------------------------------ what the connection tells

  opened(stepId: number, [stdin, stdout, stderr, ...further]: Pipes): void {
    this.#stepId = stepId;
    this.#outputs.open((this.#connection as Connection).reactor, stdout, stderr, further);
    if (stdin >= 0) this.#input.open(this.#context.addon, stdin);
    const keyboard = this.#terminal.open(this.#connection as Connection, stdout);
    if (keyboard !== undefined) this.#input.openTerminal(keyboard);
  }

  room(): void {
    this.#input.room();
  }

  started(): void {
    this.#context.onStarted?.(this);
    const { idleTime } = this.#plan.options.limits;
    if (idleTime === Infinity || this.#ended !== undefined) return;
    this.#idle = new IdleTimer(
      idleTime,
      () => this.#outputs.heldBack || this.#context.standsStill?.() === true,
      () => {
        this.#end('idleTimeout');
      },
    );
    this.#idle.start();
  }

  data(stream: number, chunk: Buffer | null): void {
    if (chunk === null) {
      this.#outputs.endOne(stream);
      this.#finishIfDone();
      return;
    }
    this.#idle?.touch();
    if (!this.#outputs.accept(stream, chunk)) this.#end('outputLimit');
  }

  ended(message: EndedMessage): void {
    this.#ended = message;
    this.#idle?.stop();
    this.#input.close();
    this.#outputs.drain((this.#connection as Connection).reactor);
    this.#finishIfDone();
  }

  failed(error: SandboxError): void {
    if (this.#settled) return;
    this.#idle?.stop();
    this.#input.close();
    this.#finishWith(error);
    for (const pipe of this.#outputs.pipes) this.#connection?.drop(pipe);
  }

  warm(words: Uint8Array, rssBytes: number): void {
    this.#context.onWarm?.(words, rssBytes);
  }

  withdrawn(): void {
    this.#finishUnsent(this.#endedFor);
  }

  // ------------------------------------------------------------ how it ends

  #end(cause: Cause, signal = 9, graceMs = 0): void {
    if (this.#settled || this.#connection === undefined) return;
    this.#endedFor = cause;
    this.#connection.kill({ stepId: this.#stepId, cause: CAUSES.indexOf(cause), signal, graceMs });
  }

  readonly #onAbort = (): void => {
    this.#end('aborted');
  };

  /** A step that got only part of its input would compute something else: it is ended. */
  #inputFailed(error: SandboxError): void {
    if (this.#settled || this.#ended !== undefined || this.#inputError !== undefined) return;
    this.#inputError = error;
    this.#end('destroyed');
  }

  #finishUnsent(cause: Cause): void {
    this.#input.close();
    this.#outputs.endAll();
    this.#ended = notStarted(cause);
    this.#finishIfDone();
  }

  /** The result is there when the spawner has reported and everything that was written has been read. */
  #finishIfDone(): void {
    if (this.#ended === undefined || !this.#outputs.ended || this.#settled) return;
    if (this.#inputError !== undefined) {
      this.#finishWith(this.#inputError);
      return;
    }
    const cgroupReason = this.#connection?.ready?.cgroupReason ?? '';
    const { options, argv } = this.#plan;
    const result = buildResult(this.#ended, this.#outputs, options, cgroupReason);
    this.#settle(result);
    if (options.reject && !result.ok) this.#reject(new StepError(result, String(argv[0])));
    else this.#resolve(result);
  }

  #finishWith(error: SandboxError): void {
    this.#settle(error);
    if (this.#outputs.fail(error)) this.#used = true;
    this.#reject(error);
    // Nobody may ever look at this step: then the app learns it by a warning, and not never.
    setImmediate(() => {
      if (!this.#used) process.emitWarning(error);
    });
  }

  #settle(outcome: StepResult | SandboxError): void {
    this.#settled = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#context.onSettled(this, outcome);
  }
}
