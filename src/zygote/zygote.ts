import { SandboxError } from '../errors.js';
import { checkSignal } from '../options/signal.js';
import { expectSandbox } from '../sandbox/living-sandbox.js';
import type { Policy } from '../policy/policy.js';
import { show } from '../show.js';
import { loadAddon, requireLinux } from '../spawner/locate.js';
import { trackStep, untrackStep } from '../spawner/shared.js';
import { inputSource } from '../step/input.js';
import type { Further } from '../step/further.js';
import { RunningStep } from '../step/running-step.js';
import type { Step } from '../step/step.js';
import { BootedProcesses } from './booted-processes.js';
import { Copies } from './copies.js';
import { encodeJob, type ZygoteJob } from './job.js';
import {
  refuseTerminal,
  type ResolvedZygoteOptions,
  resolveZygoteOptions,
  type ZygoteMode,
  type ZygoteOptions,
  type ZygoteSpawnOptions,
} from './options.js';
import { planJob } from './plans.js';
import type { StepSource } from './step-source.js';
import { cannotBeForked, ZygoteProcess, type ZygoteWords } from './zygote-process.js';

/** A warm process whose steps start in about a millisecond, each in a fresh sandbox of its own. */
export interface Zygote extends AsyncDisposable {
  /** How steps are made: `'fork'`, or `'parked'` where that was asked for or the interpreter cannot be forked. */
  readonly mode: ZygoteMode;
  /**
   * Runs a job in a sandbox of its own, or in one that lives, in memory that has everything preloaded.
   *
   * @param options replace those of the zygote; `limits` and `env` are replaced one by one
   * @throws SandboxError `ERR_INVALID_OPTION` or, with a `sandbox` that is over, `ERR_SANDBOX_CLOSED`
   */
  spawn(job: ZygoteJob, options?: ZygoteSpawnOptions): Step;
  /** Takes no more steps; resolves when those that there are have ended, and the process has. */
  close(): Promise<void>;
  /** Ends the steps with cause `'destroyed'`, and the process. Resolves when nothing is left of them. */
  destroy(): Promise<void>;
}

/**
 * Starts a process, has it preload what is asked for, and resolves when it is warm.
 *
 * @throws SandboxError `ERR_INVALID_OPTION` for a wrong option; `ERR_ZYGOTE`, with the runtime's own traceback, when preloading fails, or when `mode: 'fork'`
 *   cannot be
 */
export async function createZygote(options: ZygoteOptions): Promise<Zygote> {
  requireLinux();
  const resolved = resolveZygoteOptions(options);
  const zygote = new WarmZygote(resolved);
  await zygote.start();
  return zygote;
}

export function isZygote(value: unknown): value is Zygote {
  return value instanceof WarmZygote;
}

/**
 * As `zygote.spawn()`, for the library itself.
 *
 * @param job its texts, as `encodeJob` makes them: the runtime's own end (runtimes/) takes them
 * @param further the runtime is told their numbers, in this order: `python_descriptor()`, `core.descriptors()`
 */
export function spawnInZygote(
  zygote: Zygote,
  job: readonly Buffer[],
  options: ZygoteSpawnOptions = {},
  further: readonly Further[] = [],
): RunningStep {
  if (!(zygote instanceof WarmZygote)) throw new TypeError('not a zygote of createZygote()');
  return zygote.spawnWith(job, options, further);
}

/** So many ends in a row, with no step that ran in between, and it is not started again. */
const MOST_FAILURES = 5;
const START_TIMEOUT_MS = 120_000;

class WarmZygote implements Zygote {
  readonly #options: ResolvedZygoteOptions;
  readonly #steps = new Set<RunningStep>();
  readonly #first: ZygoteProcess;
  #mode: ZygoteMode = 'fork';
  #source: StepSource;
  readonly #copies: Copies;
  #next: ZygoteProcess | undefined;
  #words: ZygoteWords = { mode: 'fork', runtime: '', threads: [] };
  #failures = 0;
  #closed = false;
  #broken: SandboxError | undefined;
  readonly #processes = new Set<ZygoteProcess>();

  constructor(options: ResolvedZygoteOptions) {
    this.#options = options;
    this.#copies = new Copies(options);
    this.#source = this.#first = this.#beginProcess();
  }

  async start(): Promise<void> {
    const { mode } = this.#options;
    try {
      // So that the sandboxes of its first steps are made while it preloads.
      if (mode !== 'parked') this.#first.policyFor(this.#usualPolicy());
      this.#words = await this.#inTime(this.#first.warm);
      if (mode === 'fork' && this.#words.mode !== 'fork') throw cannotBeForked(this.#words);
      if (mode === 'parked' || this.#words.mode === 'parked') await this.#bootInstead();
    } catch (error) {
      await this.destroy();
      throw error;
    }
    this.#warn();
  }

  /** That of steps without options of their own. */
  #usualPolicy(): Policy {
    return planJob(this.#options, encodeJob({ code: '' }), {}).policy;
  }

  /** The first process has shown that all can be preloaded, and is good for nothing else. */
  async #bootInstead(): Promise<void> {
    this.#mode = 'parked';
    this.#source = new BootedProcesses(this.#options);
    this.#source.policyFor(this.#usualPolicy());
    this.#first.retire();
    await this.#first.destroy();
  }

  /** What the user of a zygote would not expect of it. */
  #warn(): void {
    const { runtime, threads, reason } = this.#words;
    if (this.#mode === 'parked' && this.#options.mode === undefined) {
      process.emitWarning(
        `A zygote of ${show(runtime)} cannot be forked: ${show(reason)}. Each step is a process of its own, and starts faster only when it is parked; mode: 'parked' says that this is meant.`,
        { code: 'SPAWN_SANDBOX_PARKED' },
      );
    }
    if (this.#mode === 'fork' && threads.length > 0) {
      process.emitWarning(
        `What a zygote preloaded has started threads, which no step has: ${threads.map(show).join(', ')}`,
        { code: 'SPAWN_SANDBOX_THREADS' },
      );
    }
  }

  /** A preload that never ends would never be answered for. */
  async #inTime(warm: Promise<ZygoteWords>): Promise<ZygoteWords> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    let stop: (error: Error) => void = () => undefined;
    const stopped = new Promise<never>((_, reject) => (stop = reject));
    const aborted = (): void => {
      stop(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      stop(
        new SandboxError('ERR_ZYGOTE', `The zygote was not warm after ${START_TIMEOUT_MS / 1000} s.`, {
          remedy: 'Look at what it preloads: something there waits, or computes for too long.',
        }),
      );
    }, START_TIMEOUT_MS);
    signal?.addEventListener('abort', aborted, { once: true });
    try {
      return await Promise.race([warm, stopped]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
    }
  }

  get mode(): ZygoteMode {
    return this.#mode;
  }

  spawn(job: ZygoteJob, options: ZygoteSpawnOptions = {}): Step {
    return this.spawnWith(encodeJob(job), options);
  }

  /** See `spawnInZygote`. */
  spawnWith(
    job: readonly Buffer[],
    { sandbox, ...options }: ZygoteSpawnOptions,
    further: readonly Further[] = [],
  ): RunningStep {
    refuseTerminal(options);
    if (sandbox !== undefined) {
      const refusal = this.#closed || this.#broken !== undefined ? this.#cannotSpawn() : undefined;
      return this.#copies.spawn(expectSandbox(sandbox, 'sandbox'), job, options, {
        further,
        refusal,
        steps: this.#steps,
      });
    }
    const plan = planJob(this.#options, job, options);
    const source = inputSource(options.input, plan.options);
    const from = this.#current();
    const step: RunningStep = new RunningStep(
      from === undefined ? plan : { ...plan, policy: from.policyFor(plan.policy) },
      source,
      checkSignal(options.signal),
      {
        addon: loadAddon(),
        connection: () => {
          if (from === undefined) throw this.#cannotSpawn();
          return from.connection;
        },
        onSettled: () => {
          this.#steps.delete(step);
          untrackStep(step);
          if (step.ran) this.#failures = 0;
          from?.settle();
        },
        further,
      },
    );
    from?.begin();
    this.#steps.add(step);
    trackStep(step);
    step.start();
    this.#recycle();
    return step;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#steps].map((step) => step.result));
    await this.destroy();
  }

  async destroy(): Promise<void> {
    this.#closed = true;
    const steps = [...this.#steps];
    for (const step of steps) step.destroy();
    await Promise.allSettled(steps.map((step) => step.result));
    const sources = new Set<StepSource>([this.#source, ...this.#processes]);
    for (const source of sources) source.retire();
    await Promise.all([...[...sources].map((source) => source.destroy()), this.#copies.dropAll()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy();
  }

  /** Where the next step comes from; a new one when the last was lost with its spawner. */
  #current(): StepSource | undefined {
    if (this.#closed || this.#broken !== undefined) return undefined;
    if (!this.#source.usable) {
      this.#replace(this.#mode === 'fork' ? this.#beginProcess() : new BootedProcesses(this.#options));
    }
    return this.#source;
  }

  #beginProcess(): ZygoteProcess {
    const process = new ZygoteProcess(this.#options);
    this.#processes.add(process);
    void process.over.then((error) => {
      this.#processes.delete(process);
      this.#processEnded(process, error);
    });
    return process;
  }

  /** Steps that wait for the one before wait for the new one. */
  #replace(source: StepSource): void {
    const before = this.#source;
    this.#source = source;
    for (const policy of before.policies) source.policyFor(policy, before);
    before.retire();
  }

  /**
   * It died, or was ended: steps that it has forked go on, and others are forked by the next. One that ended by itself before
   * it was warm would do so again.
   */
  #processEnded(process: ZygoteProcess, error: SandboxError): void {
    if (process !== this.#source || this.#closed || this.#broken !== undefined) return;
    const diedWithSpawner = !process.connection.alive;
    if (process.gaveUp || (!diedWithSpawner && ++this.#failures >= MOST_FAILURES)) {
      this.#broken = error;
      process.retire();
      void this.#copies.dropAll();
    } else if (!diedWithSpawner) {
      this.#replace(this.#beginProcess());
    } // else it ended with the spawner; the next step starts both
  }

  /** Makes the next process while this one still serves. */
  #recycle(): void {
    const { steps, rssBytes } = this.#source;
    const due = steps >= this.#options.recycleSteps || rssBytes >= this.#options.recycleRss;
    if (this.#next !== undefined || this.#closed || !due) return;
    const next = this.#beginProcess();
    this.#next = next;
    next.warm
      .then(
        () => {
          if (!this.#closed) this.#replace(next);
          else void next.destroy();
        },
        () => undefined, // the present one serves on, and is tried to be replaced again
      )
      .finally(() => {
        this.#next = undefined;
      });
  }

  #cannotSpawn(): SandboxError {
    if (this.#broken !== undefined) return this.#broken;
    return new SandboxError('ERR_ZYGOTE_CLOSED', 'The zygote takes no more steps: it was closed or destroyed.');
  }
}
