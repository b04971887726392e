import { SandboxError } from '../errors.js';
import { expectArray, expectObject, expectOneOf, invalidOption } from '../options/check.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { checkSignal } from '../options/signal.js';
import type { Plan } from '../plan.js';
import type { StepResult } from '../result.js';
import { show } from '../show.js';
import { loadAddon } from '../spawner/locate.js';
import { sharedConnection, trackStep, untrackStep } from '../spawner/shared.js';
import type { Further } from '../step/further.js';
import { type InputSource, inputSource } from '../step/input.js';
import { RunningStep } from '../step/running-step.js';
import type { Step } from '../step/step.js';
import { Commands } from './commands.js';
import { Announcements, type SandboxEvents, type SandboxListener } from './events.js';
import { LivingFiles } from './files/living-files.js';
import { filesPlanner } from './files/plan.js';
import type { SandboxFiles } from './files/types.js';
import type { Change } from './overlays/change.js';
import type { CommitOptions } from './overlays/selection.js';
import { CommandPlanner, planSandbox, type SandboxPlan } from './plans.js';
import { type SandboxEnd, sandboxIsOver, Session } from './session.js';
import { Standing } from './standing.js';
import type { Sandbox } from './types.js';
import { type SandboxUsage, sandboxUsage } from './usage.js';

/** Of a longer one Node makes one of a millisecond. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** @throws SandboxError `ERR_INVALID_OPTION` for what `createSandbox()` has not made */
export function expectSandbox(value: unknown, name: string): LivingSandbox {
  if (value instanceof LivingSandbox) return value;
  throw invalidOption(name, `must be a sandbox that createSandbox() has made, and is ${show(value)}`);
}

/** What the library itself runs in a sandbox with. */
export interface RunContext {
  /** What those who listen are told that it is. */
  readonly file: string;
  readonly args: readonly string[];
  /** What outlives it stays. @default false */
  readonly keeps?: boolean;
  readonly further?: readonly Further[];
  /** Why it cannot be run after all. */
  readonly error?: SandboxError | undefined;
  /** Where it is to be found until it has its result. */
  readonly steps?: Set<RunningStep>;
}

interface StepContext extends Pick<RunContext, 'further' | 'error'> {
  readonly onStarted?: () => void;
  readonly onSettled: (outcome: StepResult | SandboxError) => void;
}

export class LivingSandbox implements Sandbox {
  readonly #options: SandboxOptions;
  readonly #planner: CommandPlanner;
  #session: Session;
  readonly #madeAt = performance.now();
  readonly #over: Promise<SandboxEnd>;
  #tellEnd!: (end: SandboxEnd) => void;
  /** Milliseconds. */
  readonly #idleTime: number;
  /** Milliseconds, from `#madeAt` on. */
  readonly #wallTime: number;
  readonly files: SandboxFiles;
  #idle: NodeJS.Timeout | undefined;
  #isAwaited = false;
  #toldOver = false;
  readonly #announcements = new Announcements();
  readonly #commands = new Commands(this.#announcements);
  readonly #standing: Standing;
  /** On its files, which run now. */
  #operations = 0;

  constructor(options: SandboxOptions) {
    const plan = planSandbox(options);
    this.#options = options;
    this.#planner = new CommandPlanner(options);
    this.#idleTime = plan.options.limits.idleTime;
    this.#wallTime = plan.options.limits.wallTime;
    this.#over = new Promise((resolve) => (this.#tellEnd = resolve));
    this.#session = this.#begin(plan);
    const planFiles = filesPlanner(options);
    this.files = new LivingFiles(
      (request, source, signal) => this.#runBuiltin(planFiles(request, this.#session.policy), source, signal),
      plan.options.cwd,
    );
    this.#standing = new Standing(() => this.#session, this.#commands);
    const handle = {
      destroy: () => {
        this.#session.end('destroyed');
      },
    };
    trackStep(handle);
    void this.#over.then(() => {
      untrackStep(handle);
      clearTimeout(this.#idle);
      this.#tellOver();
    });
  }

  #begin(plan: SandboxPlan, connection = sharedConnection()): Session {
    const session = new Session(plan, connection, loadAddon());
    void session.over.then((end) => {
      if (this.#session === session) this.#tellEnd(end);
    });
    return session;
  }

  async made(): Promise<void> {
    await this.#session.made;
    this.#waitForCommand();
  }

  get ended(): Promise<SandboxEnd> {
    if (!this.#isAwaited) {
      this.#isAwaited = true;
      const { connection } = this.#session;
      connection.hold();
      void this.#over.then(() => {
        connection.letGo();
      });
    }
    return this.#over;
  }

  async changes(): Promise<readonly Change[]> {
    return await this.#session.overlays.changes();
  }

  async diff(path?: string | Uint8Array): Promise<string> {
    return await this.#session.overlays.diff(path === undefined ? undefined : [path]);
  }

  async commit(paths?: readonly (string | Uint8Array)[], options: CommitOptions = {}): Promise<readonly Change[]> {
    expectObject(options, 'options', ['links']);
    const links = expectOneOf(options.links ?? 'inside', 'options.links', ['inside', 'any']);
    if (paths !== undefined) expectArray(paths, 'paths');
    return await this.#session.overlays.commit(paths, { links });
  }

  async discard(): Promise<void> {
    if (this.#session.isOver) throw sandboxIsOver('discard what was written to');
    if (this.#running > 0) {
      throw new SandboxError('ERR_CHANGES', `Cannot discard what was written while ${this.#running} command(s) run.`, {
        remedy: 'Await their results, or kill() them.',
      });
    }
    if (this.#standing.still) await this.resume();
    const left = Math.max(1, this.#wallTime - (performance.now() - this.#madeAt));
    const before = this.#session;
    const next = this.#begin(
      planSandbox({ ...this.#options, limits: { ...this.#options.limits, wallTime: left } }),
      before.connection,
    );
    this.#session = next;
    before.connection.hold();
    before.end('destroyed');
    before.forget();
    try {
      await Promise.all([next.made, before.over]);
    } finally {
      before.connection.letGo();
    }
    this.#waitForCommand();
  }

  get options(): SandboxOptions {
    return this.#options;
  }

  get session(): Session {
    return this.#session;
  }

  spawn(file: string, args: readonly string[] = [], options: SandboxOptions = {}): Step {
    this.refuseWhenOver();
    const plan = this.#planner.plan(file, args, options, {
      policy: this.#session.policy,
      announce: this.isStartHeard,
    });
    return this.run(plan, options, { file, args, keeps: plan.keeps });
  }

  /** @throws SandboxError `ERR_SANDBOX_CLOSED` */
  refuseWhenOver(): void {
    if (this.#session.isOver) throw sandboxIsOver('run a command in');
  }

  /** Somebody wants to hear when a command was released. */
  get isStartHeard(): boolean {
    return this.#announcements.isHeard('start');
  }

  /** For the library itself: what is planned already. */
  run(plan: Plan, { input, signal }: SandboxOptions, context: RunContext): RunningStep {
    const { file, args, keeps = false, steps } = context;
    const step = this.#step(plan, inputSource(input, plan.options), checkSignal(signal), {
      ...context,
      onStarted: () => {
        this.#commands.begun(step);
      },
      onSettled: (outcome) => {
        this.#commands.ended(step, outcome, keeps);
        steps?.delete(step);
      },
    });
    this.#commands.add(step, file, args);
    steps?.add(step);
    step.start();
    return step;
  }

  #runBuiltin(plan: Plan, source: InputSource, signal: AbortSignal | undefined): RunningStep {
    this.refuseWhenOver();
    const step = this.#step(plan, source, signal, {
      onSettled: () => {
        this.#operations--;
      },
    });
    this.#operations++;
    step.start();
    return step;
  }

  #step(plan: Plan, source: InputSource, signal: AbortSignal | undefined, context: StepContext): RunningStep {
    const { further = [], error, onStarted, onSettled } = context;
    const step: RunningStep = new RunningStep(plan, source, signal, {
      addon: loadAddon(),
      connection: () => {
        if (error !== undefined) throw error;
        return this.#session.connection;
      },
      standsStill: () => this.#standing.still,
      ...(onStarted === undefined ? {} : { onStarted }),
      onSettled: (_, outcome) => {
        untrackStep(step);
        onSettled(outcome);
        this.#settled();
      },
      further,
    });
    clearTimeout(this.#idle);
    trackStep(step);
    return step;
  }

  get #running(): number {
    return this.#commands.count + this.#operations;
  }

  /** Nobody may ever ask for another. */
  #waitForCommand(): void {
    clearTimeout(this.#idle);
    if (this.#running > 0 || this.#idleTime === Infinity || this.#session.isOver) return;
    this.#idle = setTimeout(
      () => {
        this.#session.end('idleTimeout');
      },
      Math.min(this.#idleTime, LONGEST_TIMER_MS),
    ).unref();
  }

  #settled(): void {
    this.#waitForCommand();
    this.#tellOver();
    if (this.#commands.manyLeft) this.usage().catch(() => undefined);
  }

  /** After the last of its commands, whose output may still be on its way. */
  #tellOver(): void {
    if (!this.#session.isOver || this.#commands.count > 0) return;
    void this.#over.then(({ cause }) => {
      if (this.#toldOver) return;
      this.#toldOver = true;
      this.#announcements.tell({ type: 'over', cause, at: Date.now() });
    });
  }

  pause(): Promise<void> {
    return this.#standing.change(true);
  }

  resume(): Promise<void> {
    return this.#standing.change(false);
  }

  get paused(): false | 'frozen' | 'stopped' {
    return this.#standing.how;
  }

  async usage(): Promise<SandboxUsage> {
    const looked = await this.#session.look();
    if (looked === undefined) throw sandboxIsOver('look at');
    return sandboxUsage(looked, this.#commands.names(looked.commands.map(({ stepId }) => stepId)));
  }

  on<Name extends keyof SandboxEvents>(event: Name, listener: SandboxListener<Name>): this {
    this.#announcements.on(event, listener);
    return this;
  }

  off<Name extends keyof SandboxEvents>(event: Name, listener: SandboxListener<Name>): this {
    this.#announcements.off(event, listener);
    return this;
  }

  async destroy(): Promise<void> {
    const { connection } = this.#session;
    connection.hold();
    this.#session.end('destroyed');
    await this.#over;
    this.#session.forget();
    connection.letGo();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.destroy();
  }
}
