import type { Readable, Writable } from 'node:stream';
import { SandboxError, StepError } from '../errors.js';
import type { Plan } from '../plan.js';
import type { StepResult } from '../result.js';
import { buildResult } from '../result/build.js';
import { notStarted } from '../result/not-started.js';
import type { Connection, StepListener } from '../spawner/connection.js';
import { CAUSES, type EndedMessage } from '../spawner/messages.js';
import type { Addon } from '../spawner/native.js';
import type { Pipes } from '../spawner/outbox.js';
import type { Duration } from '../units.js';
import { IdleTimer } from './idle-timer.js';
import { givePieces, giveValue, type InputSource } from './input.js';
import { killRequest } from './kill-request.js';
import { type LineIterator, Lines } from './lines.js';
import { Output } from './output.js';
import { OutputStream } from './output-stream.js';
import { relay } from './relay.js';
import { StdinPipe } from './stdin-pipe.js';
import type { Step } from './step.js';

type Cause = (typeof CAUSES)[number];

/** What a step needs of the rest of the library. */
export interface StepContext {
  readonly addon: Addon;
  /** Throws when there can be no spawner. */
  readonly connection: () => Connection;
  /** Called once, when the step has its result. */
  readonly onSettled: (step: RunningStep) => void;
}

const idPrefix = `step-${process.pid.toString(36)}-${Date.now().toString(36)}`;
let lastId = 0;

/** The handle of one step, from before it is sent to after its result. */
export class RunningStep implements Step, StepListener {
  readonly id = `${idPrefix}-${++lastId}`;
  readonly #plan: Plan;
  readonly #context: StepContext;
  readonly #source: InputSource;
  readonly #signal: AbortSignal | undefined;
  readonly #result: Promise<StepResult>;
  #resolve!: (result: StepResult) => void;
  #reject!: (error: Error) => void;
  #settled = false;
  /** Somebody will notice an error. */
  #used = false;

  #connection: Connection | undefined;
  #stepId = 0;
  #ended: EndedMessage | undefined;
  #inputError: SandboxError | undefined;
  #idle: IdleTimer | undefined;

  readonly #outputs: { readonly stdout: Output; readonly stderr: Output };
  #stdoutId = -1;
  #stderrId = -1;
  #outputLeft: number;
  #tooMuch = false;

  #stdinDescriptor = -1;
  #stdin: StdinPipe | undefined;
  #stdout: OutputStream | undefined;
  #stderr: OutputStream | undefined;

  constructor(plan: Plan, source: InputSource, signal: AbortSignal | undefined, context: StepContext) {
    this.#plan = plan;
    this.#context = context;
    this.#source = source;
    this.#signal = signal;
    this.#outputLeft = plan.options.limits.output;
    this.#outputs = {
      stdout: new Output('stdout', plan.options.collect),
      stderr: new Output('stderr', plan.options.collect),
    };
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
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    const { file, argv, policy, settings, options } = this.#plan;
    if (options.stdout === 'inherit') relay(this.#outputs.stdout.attach(), process.stdout);
    if (options.stderr === 'inherit') relay(this.#outputs.stderr.attach(), process.stderr);
    const pipes = {
      stdin: this.#source.kind !== 'none',
      stdout: options.stdout !== 'ignore',
      stderr: options.stderr !== 'ignore',
    };
    try {
      this.#connection = this.#context.connection();
      this.#stepId = this.#connection.start({ file, argv, policy, settings, pipes }, this);
    } catch (error) {
      this.failed(error as SandboxError);
    }
  }

  // ------------------------------------------------------------ what the app does

  get result(): Promise<StepResult> {
    this.#used = true;
    return this.#result;
  }

  // biome-ignore lint/suspicious/noThenProperty: a step is awaited
  then<A = StepResult, B = never>(
    onFulfilled?: ((result: StepResult) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#used = true;
    return this.#result.then(onFulfilled, onRejected);
  }

  get stdin(): Writable | null {
    if (this.#source.kind !== 'pipe') return null;
    return (this.#stdin ??= this.#openStdin());
  }

  get stdout(): Readable {
    return (this.#stdout ??= new OutputStream(this.#outputs.stdout.attach()));
  }

  get stderr(): Readable {
    return (this.#stderr ??= new OutputStream(this.#outputs.stderr.attach()));
  }

  lines(from: 'stdout' | 'stderr' | 'both' = 'stdout'): LineIterator {
    return new Lines(() => {
      this.#used = true;
      const names = from === 'both' ? (['stdout', 'stderr'] as const) : [from];
      return names.map((name) => this.#outputs[name].attach());
    });
  }

  [Symbol.asyncIterator](): AsyncIterator<string> {
    return this.lines()[Symbol.asyncIterator]();
  }

  kill(signal: NodeJS.Signals = 'SIGKILL', { grace }: { readonly grace?: Duration } = {}): void {
    const request = killRequest(signal, grace, this.#plan.options.killGrace);
    this.#end(request.cause, request.signal, request.graceMs);
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

  opened([stdin, stdout, stderr]: Pipes): void {
    const reactor = (this.#connection as Connection).reactor;
    this.#stdoutId = stdout;
    this.#stderrId = stderr;
    for (const [name, stream] of [
      ['stdout', stdout],
      ['stderr', stderr],
    ] as const) {
      if (stream < 0) this.#outputs[name].end();
      else
        this.#outputs[name].open({
          pause: () => {
            reactor.pause(stream);
          },
          resume: () => {
            reactor.resume(stream);
          },
        });
    }
    if (stdin >= 0) this.#giveInput(stdin);
  }

  started(): void {
    const { idleTime } = this.#plan.options.limits;
    if (idleTime === Infinity || this.#ended !== undefined) return;
    const { stdout, stderr } = this.#outputs;
    this.#idle = new IdleTimer(
      idleTime,
      () => stdout.paused || stderr.paused,
      () => {
        this.#end('idleTimeout');
      },
    );
    this.#idle.start();
  }

  data(stream: number, chunk: Buffer | null): void {
    const output = stream === this.#stdoutId ? this.#outputs.stdout : this.#outputs.stderr;
    if (chunk === null) {
      output.end();
      this.#finishIfDone();
      return;
    }
    this.#idle?.touch();
    const accepted = chunk.length <= this.#outputLeft ? chunk : chunk.subarray(0, this.#outputLeft);
    this.#outputLeft -= accepted.length;
    if (accepted.length > 0) output.accept(accepted);
    if (accepted.length === chunk.length || this.#tooMuch) return;
    this.#tooMuch = true;
    this.#end('outputLimit');
  }

  ended(message: EndedMessage): void {
    this.#ended = message;
    this.#idle?.stop();
    this.#closeInput();
    const reactor = (this.#connection as Connection).reactor;
    for (const [output, stream] of [
      [this.#outputs.stdout, this.#stdoutId],
      [this.#outputs.stderr, this.#stderrId],
    ] as const) {
      if (output.ended || stream < 0) continue;
      output.finish();
      reactor.drain(stream);
    }
    this.#finishIfDone();
  }

  failed(error: SandboxError): void {
    if (this.#settled) return;
    this.#idle?.stop();
    this.#closeInput();
    for (const stream of [this.#stdoutId, this.#stderrId]) if (stream >= 0) this.#connection?.drop(stream);
    this.#finishWith(error);
  }

  withdrawn(): void {
    this.#finishUnsent(this.#endedBecause);
  }

  // ------------------------------------------------------------ endings

  #endedBecause: Cause = 'destroyed';

  #end(cause: Cause, signal = 9, graceMs = 0): void {
    if (this.#settled || this.#connection === undefined) return;
    this.#endedBecause = cause;
    this.#connection.kill({ stepId: this.#stepId, cause: CAUSES.indexOf(cause), signal, graceMs });
  }

  readonly #onAbort = (): void => {
    this.#end('aborted');
  };

  #finishUnsent(cause: Cause): void {
    for (const output of Object.values(this.#outputs)) output.end();
    this.#ended = notStarted(cause);
    this.#finishIfDone();
  }

  /** The result is there when the spawner has reported and everything that was written has been read. */
  #finishIfDone(): void {
    const { stdout, stderr } = this.#outputs;
    if (this.#ended === undefined || !stdout.ended || !stderr.ended || this.#settled) return;
    if (this.#inputError !== undefined) {
      this.#finishWith(this.#inputError);
      return;
    }
    const cgroupReason = this.#connection?.ready?.cgroupReason ?? '';
    const { options, argv } = this.#plan;
    const result = buildResult(this.#ended, { stdout, stderr, tooMuch: this.#tooMuch }, options, cgroupReason);
    this.#settle();
    if (options.reject && !result.ok) this.#reject(new StepError(result, String(argv[0])));
    else this.#resolve(result);
  }

  #finishWith(error: SandboxError): void {
    this.#settle();
    for (const stream of [this.#stdout, this.#stderr]) {
      if ((stream?.listenerCount('error') ?? 0) > 0) this.#used = true;
    }
    for (const output of Object.values(this.#outputs)) output.fail(error);
    this.#reject(error);
    // Nobody may ever look at this step: then the app learns it by a warning, and not never.
    setImmediate(() => {
      if (!this.#used) process.emitWarning(error);
    });
  }

  #settle(): void {
    this.#settled = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#context.onSettled(this);
  }

  // ------------------------------------------------------------ input

  #giveInput(descriptor: number): void {
    const source = this.#source;
    const limit = this.#plan.options.limits.input;
    try {
      if (source.kind === 'value') {
        this.#stdin = giveValue(this.#context.addon, descriptor, source.bytes, limit);
        return;
      }
    } catch (error) {
      this.#inputFailed(error as SandboxError);
      return;
    }
    this.#stdinDescriptor = descriptor;
    if (source.kind !== 'stream') {
      if (this.#stdin !== undefined) this.#handStdinOver(this.#stdin);
      return;
    }
    givePieces(source.pieces, (this.#stdin = this.#openStdin())).catch((error: unknown) => {
      this.#inputFailed(error as SandboxError);
    });
  }

  #openStdin(): StdinPipe {
    const pipe = new StdinPipe(this.#plan.options.limits.input);
    if (this.#source.kind === 'pipe') {
      pipe.on('error', (error) => {
        if (error instanceof SandboxError) this.#inputFailed(error);
      });
    }
    this.#handStdinOver(pipe);
    if (this.#settled) pipe.destroy();
    return pipe;
  }

  #handStdinOver(pipe: StdinPipe): void {
    if (this.#stdinDescriptor < 0) return;
    pipe.open(this.#context.addon, this.#stdinDescriptor);
    this.#stdinDescriptor = -1;
  }

  /** A step that got only part of its input would compute something else: it is ended. */
  #inputFailed(error: SandboxError): void {
    if (this.#settled || this.#ended !== undefined) return;
    this.#inputError = error;
    this.#end('destroyed');
  }

  #closeInput(): void {
    this.#stdin?.destroy();
    if (this.#stdinDescriptor >= 0) this.#context.addon.close(this.#stdinDescriptor);
    this.#stdinDescriptor = -1;
  }
}
