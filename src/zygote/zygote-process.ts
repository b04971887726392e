import { type ErrorCode, SandboxError } from '../errors.js';
import type { Policy } from '../policy/policy.js';
import type { StepResult } from '../result.js';
import type { Connection } from '../spawner/connection.js';
import { loadAddon } from '../spawner/locate.js';
import { show } from '../show.js';
import { sharedConnection, trackStep, untrackStep } from '../spawner/shared.js';
import { RunningStep } from '../step/running-step.js';
import { HeldPolicies } from './held-policies.js';
import type { ResolvedZygoteOptions } from './options.js';
import { preloadConfig, planZygote } from './plans.js';
import type { StepSource } from './step-source.js';

/** What a zygote says of itself. It is not to be trusted, and nothing but messages for people is made of it. */
export interface ZygoteWords {
  readonly mode: string;
  readonly runtime: string;
  /** Names of threads that were running when it was to be forked: no step has them. */
  readonly threads: readonly string[];
  /** Why it cannot be forked, with mode `'parked'`. */
  readonly reason?: string;
}

/** It was ended with what it stood on, and the next one need not be. */
const ENDED_BY_OTHERS: readonly ErrorCode[] = ['ERR_SPAWNER_DIED', 'ERR_STEP_LOST'];

/** One process that forks steps, from its start to its end, and the policies that are carried out below it. */
export class ZygoteProcess implements StepSource {
  readonly connection: Connection;
  /** Resolves when it is warm; rejects when it ended before. */
  readonly warm: Promise<ZygoteWords>;
  /** Resolves when it has ended, with why it did. */
  readonly over: Promise<SandboxError>;
  wasWarm = false;
  /** Its memory when that was last looked at; 0 when it is not known. */
  rssBytes = 0;
  /** It ended by itself before it was warm. */
  gaveUp = false;
  readonly #step: RunningStep;
  readonly #policies: HeldPolicies;
  readonly #options: ResolvedZygoteOptions;
  #steps = 0;
  #running = 0;
  #retired = false;
  #over = false;

  constructor(options: ResolvedZygoteOptions) {
    this.#options = options;
    this.connection = sharedConnection();
    this.#policies = new HeldPolicies(this.connection);
    const { promise, resolve, reject } = deferred<ZygoteWords>();
    this.warm = promise;
    this.#step = new RunningStep(planZygote(options), { kind: 'value', bytes: preloadConfig(options) }, undefined, {
      addon: loadAddon(),
      connection: () => this.connection,
      background: true,
      onWarm: (words, rssBytes) => {
        this.rssBytes = rssBytes;
        if (this.wasWarm) return;
        this.wasWarm = true;
        resolve(wordsOf(words));
      },
      onSettled: untrackStep,
    });
    trackStep(this.#step);
    this.connection.hold();
    this.#step.start();
    this.over = this.#step.result.then(
      (result) => {
        this.gaveUp = !this.wasWarm && result.cause === 'exit';
        return endedEarly(result, options);
      },
      (error: unknown) => {
        this.gaveUp = !this.wasWarm && !ENDED_BY_OTHERS.includes((error as SandboxError).code);
        return error as SandboxError;
      },
    );
    void this.over.then((error) => {
      this.#over = true;
      reject(error);
    });
    void promise
      .catch(() => undefined)
      .finally(() => {
        this.connection.letGo();
      });
  }

  /** It can be asked for steps. */
  get usable(): boolean {
    return !this.#over && !this.#retired && this.connection.alive;
  }

  /** Steps that were asked for so far. */
  get steps(): number {
    return this.#steps;
  }

  policyFor(policy: Policy, before?: StepSource): Policy {
    return this.#policies.hold(policy, (isFirst) => {
      const replaced = before instanceof ZygoteProcess ? before.#policyId(policy, this.connection) : undefined;
      return {
        ...policy,
        reuseNet: false,
        reuseUser: false,
        below: this.#step.stepId,
        parked: isFirst ? this.#options.parked : 0,
        ...(replaced === undefined ? {} : { replaces: replaced }),
      };
    });
  }

  #policyId(policy: Policy, connection: Connection): number | undefined {
    return connection === this.connection ? this.#policies.idOf(policy) : undefined;
  }

  get policies(): Iterable<Policy> {
    return this.#policies.keys();
  }

  /** A step was started below it. */
  begin(): void {
    this.#steps++;
    this.#running++;
  }

  settle(): void {
    this.#running--;
    this.#endWhenIdle();
  }

  /** Takes no more steps, and ends with the last that there are. */
  retire(): void {
    this.#retired = true;
    void this.#policies.releaseAll();
    this.#endWhenIdle();
  }

  /** Ends it now. Resolves when nothing of it is left. */
  async destroy(): Promise<void> {
    this.connection.hold();
    this.#step.destroy();
    await this.over;
    this.connection.letGo();
  }

  #endWhenIdle(): void {
    if (this.#retired && this.#running === 0) void this.destroy();
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((resolvePromise, rejectPromise) => {
    resolve = resolvePromise;
    reject = rejectPromise;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

function wordsOf(bytes: Uint8Array): ZygoteWords {
  try {
    const { mode, runtime, threads, reason } = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
    return {
      mode: mode === 'parked' ? 'parked' : 'fork',
      runtime: String(runtime),
      threads: Array.isArray(threads) ? threads.map(String) : [],
      reason: typeof reason === 'string' ? reason : 'it gives no reason',
    };
  } catch {
    return { mode: 'fork', runtime: 'unknown', threads: [] };
  }
}

function endedEarly(result: StepResult, { runtime, preload }: ResolvedZygoteOptions): SandboxError {
  const said = String(result.stderr).trim();
  return new SandboxError(
    'ERR_ZYGOTE',
    `The ${runtime} zygote ended before it was warm: ${result.detail}${said === '' ? '' : `\n${said}\n`}`,
    { remedy: remedyFor(preload) },
  );
}

export function cannotBeForked({ runtime, reason }: ZygoteWords): SandboxError {
  return new SandboxError('ERR_ZYGOTE', `${runtime} cannot be forked: ${show(reason)}.`, {
    remedy:
      "Leave out mode: 'fork', and its steps are processes of their own; or name another interpreter: Node 20 and 22 for x64 can be forked, and 20 for arm64.",
  });
}

function remedyFor(preload: readonly string[]): string {
  return `Look at what it preloads (${[...preload, 'preloadCode'].join(', ')}); a module that it needs must lie in the interpreter's own prefix or below filesystem.readOnly.`;
}
