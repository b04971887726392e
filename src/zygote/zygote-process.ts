import { SandboxError } from '../errors.js';
import { RecentMap } from '../options/cache.js';
import type { Policy } from '../policy/policy.js';
import type { StepResult } from '../result.js';
import type { Connection } from '../spawner/connection.js';
import { loadAddon } from '../spawner/locate.js';
import type { DefinedPolicy } from '../spawner/policies.js';
import { sharedConnection, trackStep, untrackStep } from '../spawner/shared.js';
import { RunningStep } from '../step/running-step.js';
import type { ResolvedZygoteOptions } from './options.js';
import { planZygote } from './plans.js';

/** What a zygote says of itself. It is not to be trusted, and nothing but messages for people is made of it. */
export interface ZygoteWords {
  readonly mode: string;
  readonly runtime: string;
  /** Names of threads that were running when it was to be forked: no step has them. */
  readonly threads: readonly string[];
}

/** Each keeps a process and sandboxes; steps whose options differ all the time must not collect them. */
const MOST_POLICIES = 16;

interface HeldPolicy {
  readonly own: Policy;
  readonly isFirst: boolean;
  readonly lease: DefinedPolicy;
}

/** One process that forks steps, from its start to its end, and the policies that are carried out below it. */
export class ZygoteProcess {
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
  /** By the policy as it would be for commands. */
  readonly #held: RecentMap<Policy, HeldPolicy>;
  readonly #options: ResolvedZygoteOptions;
  #steps = 0;
  #running = 0;
  #retired = false;
  #over = false;

  constructor(options: ResolvedZygoteOptions) {
    this.#options = options;
    this.connection = sharedConnection();
    this.#held = new RecentMap(MOST_POLICIES, (held) => this.#drop(held));
    const { promise, resolve, reject } = deferred<ZygoteWords>();
    this.warm = promise;
    const config = {
      preload: options.preload,
      ...(options.preloadCode === undefined ? {} : { code: options.preloadCode }),
    };
    this.#step = new RunningStep(
      planZygote(options),
      { kind: 'value', bytes: Buffer.from(JSON.stringify(config)) },
      undefined,
      {
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
      },
    );
    trackStep(this.#step);
    this.connection.hold();
    this.#step.start();
    this.over = this.#step.result.then(
      (result) => {
        this.gaveUp = !this.wasWarm && result.cause === 'exit';
        return endedEarly(result, options);
      },
      (error: unknown) => {
        this.gaveUp = !this.wasWarm;
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

  /** The policy, to be carried out below this process; what waits for the same below another is taken over. */
  policyFor(policy: Policy, before?: ZygoteProcess): Policy {
    const known = this.#held.get(policy);
    if (known !== undefined) return known.own;
    const replaced = before?.connection === this.connection ? before.#held.get(policy)?.lease.id : undefined;
    const isFirst = this.#held.size === 0;
    const own: Policy = {
      ...policy,
      reuseNet: false,
      reuseUser: false,
      below: this.#step.stepId,
      parked: isFirst ? this.#options.parked : 0,
      ...(replaced === undefined ? {} : { replaces: replaced }),
    };
    this.#held.set(policy, { own, isFirst, lease: this.connection.lease(own) });
    return own;
  }

  get policies(): Iterable<Policy> {
    return this.#held.keys();
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
    for (const held of this.#held.values()) this.#release(held);
    this.#held.clear();
    this.#endWhenIdle();
  }

  /** Ends it now. Resolves when nothing of it is left. */
  async destroy(): Promise<void> {
    this.connection.hold();
    this.#step.destroy();
    await this.over;
    this.connection.letGo();
  }

  /** That of steps without options of their own is kept as long as the process: its steps are parked. */
  #drop(held: HeldPolicy): boolean {
    if (held.isFirst) return false;
    this.#release(held);
    return true;
  }

  #release({ own, lease }: HeldPolicy): void {
    this.connection.release(lease);
    this.connection.retire(own);
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
    const { mode, runtime, threads } = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
    return {
      mode: String(mode),
      runtime: String(runtime),
      threads: Array.isArray(threads) ? threads.map(String) : [],
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
    { remedy: remedyFor(said, preload) },
  );
}

function remedyFor(said: string, preload: readonly string[]): string {
  if (said.includes('cannot be forked')) return 'Name another interpreter: Node 20 or 22 for x64 can be forked.';
  return `Look at what it preloads (${[...preload, 'preloadCode'].join(', ')}); a module that it needs must lie in the interpreter's own prefix or below filesystem.readOnly.`;
}
