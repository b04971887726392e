import { type SandboxError, StepError } from '../errors.js';
import { resolveCollect } from '../options/resolve.js';
import { quoted } from '../quoted.js';
import type { StepResult } from '../result.js';
import type { Addon } from '../spawner/native.js';
import { killRequest } from '../step/kill-request.js';
import type { RunningStep } from '../step/running-step.js';
import type { Duration } from '../units.js';
import { isTyped, type ResolvedCall, type ResolvedDefinition } from './definition.js';
import type { Claim } from './conversation.js';
import { Listening } from './listening.js';
import { LogLines } from './log-lines.js';
import type { ResultOf } from './messages/types.js';
import { type Params, startStep } from './start.js';
import { type InputFile, openInput } from './tables/inputs.js';
import { Outputs } from './tables/outputs.js';
import type { LogEntry, RunningCall, StepRefusal, StepReturn } from './types.js';

let lastId = 0;
const idPrefix = `call-${process.pid.toString(36)}-${Date.now().toString(36)}`;

/** One call of a typed step, from before its tables are there to after its result. */
export class Call<R> implements RunningCall<R> {
  readonly id = `${idPrefix}-${++lastId}`;
  readonly #definition: ResolvedDefinition;
  readonly #options: ResolvedCall;
  readonly #params: Params;
  readonly #addon: Addon;
  readonly #listening: Listening;
  readonly #outcome: Promise<StepReturn<R> | StepRefusal>;
  #outputs: Outputs | undefined;
  #step: RunningStep | undefined;
  /** What was asked for before there was a step. */
  readonly #kills: Parameters<RunningStep['kill']>[] = [];
  /** Somebody will notice an error. */
  #used = false;

  constructor(definition: ResolvedDefinition, params: Params, options: ResolvedCall, addon: Addon) {
    this.#definition = definition;
    this.#options = options;
    this.#params = params;
    this.#addon = addon;
    this.#listening = new Listening({
      ...definition,
      collect: resolveCollect(options.sandbox.collect),
      check: (payload) => definition.result.check(payload),
      onRefused: () => this.#step?.end('invalidOutput'),
    });
    this.#outcome = this.#run();
    this.#outcome.catch((error: unknown) => {
      this.#listening.fail(error as SandboxError);
      // Nobody may ever look at this call: then the app learns it by a warning, and not never.
      setImmediate(() => {
        if (!this.#used) process.emitWarning(error as SandboxError);
      });
    });
  }

  // ------------------------------------------------------------ what the app does

  get messages(): AsyncIterable<ResultOf<R>> {
    this.#used = true;
    const { result } = this.#definition;
    return this.#listening.messages.iterate((payload) => [result.decode(payload) as ResultOf<R>]);
  }

  get logs(): AsyncIterable<LogEntry> {
    this.#used = true;
    const lines = new LogLines();
    return this.#listening.logs.iterate(
      (printed) => lines.push(printed),
      () => lines.end(),
    );
  }

  get result(): Promise<StepResult> {
    const seen = this.outcome().then(({ result }) => result);
    seen.catch(() => undefined); // who has taken it and awaits the call first, or only that, is told there
    return seen;
  }

  /** How it ended, as a value. Rejects with `SandboxError` only. */
  outcome(): Promise<StepReturn<R> | StepRefusal> {
    this.#used = true;
    return this.#outcome;
  }

  then<A = StepReturn<R>, B = never>(
    onFulfilled?: ((value: StepReturn<R>) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.outcome()
      .then((outcome) => {
        if (outcome.ok) return outcome;
        throw outcome.error;
      })
      .then(onFulfilled, onRejected);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL', options: { readonly grace?: Duration } = {}): void {
    if (this.#step !== undefined) {
      this.#step.kill(signal, options);
      return;
    }
    killRequest(signal, options.grace, 0); // whoever asks is told what is wrong with it, and not whoever awaits the call
    this.#kills.push([signal, options]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#used = true;
    this.kill();
    await this.#outcome.catch(() => undefined);
  }

  // ------------------------------------------------------------ from its start to its end

  async #run(): Promise<StepReturn<R> | StepRefusal> {
    const inputs: InputFile[] = [];
    try {
      // What needs no waiting is started in the same turn.
      for (const [name, source] of this.#options.tables) {
        const opened = openInput(this.#addon, name, source, this.#options.freeze);
        inputs.push(opened instanceof Promise ? await opened : opened);
      }
      this.#outputs = new Outputs(this.#addon, this.#definition.outputs);
      const step = this.#start(inputs, this.#outputs);
      const result = await step.result;
      await this.#listening.finish();
      return await this.#conclude(result, this.#outputs);
    } finally {
      for (const input of inputs) input.release();
      this.#outputs?.close();
    }
  }

  #start(inputs: readonly InputFile[], outputs: Outputs): RunningStep {
    const listening = this.#listening;
    const step = startStep({
      definition: this.#definition,
      options: this.#options,
      params: this.#params,
      ...{ inputs, outputs, listening },
    });
    this.#step = step;
    const stdout = step.attach('stdout');
    const isFrames = isTyped(this.#definition.target);
    listening.listen({ ...(isFrames ? { frames: stdout } : { stdout }), stderr: step.attach('stderr') });
    for (const kill of this.#kills) step.kill(...kill);
    return step;
  }

  /** What the step left, against what it had to leave. */
  async #conclude(result: StepResult, outputs: Outputs): Promise<StepReturn<R> | StepRefusal> {
    const { prints } = this.#listening;
    const seen: StepResult = {
      ...result,
      stdout: prints.collected('stdout'),
      stderr: prints.collected('stderr'),
      truncated: result.truncated || prints.truncated,
    };
    const claim = isTyped(this.#definition.target) ? this.#listening.claim : outputs.claim();
    const refusal = this.#refusalOf(seen, claim);
    if (refusal !== undefined) return this.#refused(invalidOutput(seen, refusal));
    if (!seen.ok || claim?.kind !== 'result') return this.#refused(seen);
    const taken = await outputs.take(claim.tables);
    if ('refusal' in taken) return this.#refused(invalidOutput(seen, taken.refusal));
    const message = claim.payload === undefined ? undefined : this.#definition.result.decode(claim.payload);
    return { ok: true, message: message as ResultOf<R>, tables: taken.tables, result: seen };
  }

  /** A step that something else ended may well have been in the middle of a frame. */
  #refusalOf({ ok, cause }: StepResult, claim: Claim | undefined): string | undefined {
    if (cause !== 'exit' && cause !== 'invalidOutput') return undefined;
    const { refusal } = this.#listening;
    if (refusal !== undefined || !ok) return refusal;
    if (claim === undefined) return 'it ended without a result';
    if (claim.kind === 'failure') return 'it reported a failure, and exited with status 0';
    const { typeName } = this.#definition.result;
    return claim.payload === undefined && typeName !== '' ? `the result has no message of type ${typeName}` : undefined;
  }

  #refused(result: StepResult): StepRefusal {
    const { claim } = this.#listening;
    if (claim?.kind !== 'failure' || result.cause !== 'exit') {
      return { ok: false, result, error: new StepError(result, this.#definition.title) };
    }
    const { type, message, traceback } = claim;
    const failure = { type, message, traceback };
    const said = `${quoted(type)}: ${quoted(message, 500)}`;
    return { ok: false, result, failure, error: new StepError(result, this.#definition.title, { failure, said }) };
  }
}

function invalidOutput(result: StepResult, reason: string): StepResult {
  return {
    ...result,
    ok: false,
    cause: 'invalidOutput',
    detail: `Sent what is not valid output of a step: ${reason.replace(/\.$/, '')}.`,
  };
}
