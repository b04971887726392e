import { SandboxError } from '../errors.js';
import { expectArray, expectObject, expectOneOf } from '../options/check.js';
import { OPTION_NAMES } from '../options/resolve.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { checkSignal } from '../options/signal.js';
import type { StepResult } from '../result.js';
import { loadAddon, requireLinux } from '../spawner/locate.js';
import { sharedConnection, trackStep, untrackStep } from '../spawner/shared.js';
import type { Plan } from '../plan.js';
import { type InputSource, inputSource } from '../step/input.js';
import { RunningStep } from '../step/running-step.js';
import type { Step } from '../step/step.js';
import type { Change } from './overlays/change.js';
import type { CommitOptions } from './overlays/selection.js';
import { planCommand, planSandbox, type SandboxPlan } from './plans.js';
import { LivingFiles } from './files/living-files.js';
import { filesPlanner } from './files/plan.js';
import type { SandboxFiles } from './files/types.js';
import { Commands } from './commands.js';
import { Announcements, type SandboxEvents, type SandboxListener } from './events.js';
import { Standing } from './standing.js';
import { type SandboxUsage, sandboxUsage } from './usage.js';
import { type SandboxEnd, sandboxIsOver, Session } from './session.js';

/** A sandbox that lives: commands run in it one after another or at once, and find what others have left. */
export interface Sandbox extends AsyncDisposable {
  /**
   * Runs a command in the sandbox. Returns at once. Whatever it has started and not ended is ended with it, unless
   * `keepBackground` is set. In a paused sandbox it waits until that is resumed.
   *
   * @param options replace those of the sandbox; `limits` and `env` are replaced one by one. What the sandbox itself is made of
   *   (`filesystem`, `user`, `network`, `syscalls`, `allowMissing`, `allowWeaker`, `limits.scratch`) cannot be given here
   * @throws SandboxError `ERR_INVALID_OPTION` or `ERR_SANDBOX_CLOSED`
   */
  spawn(file: string, args?: readonly string[], options?: SandboxOptions): Step;
  /** Its files, as its commands see them. */
  readonly files: SandboxFiles;
  /** Resolves when nothing is left of it, whatever ended it. Who has asked for it keeps the app alive until then. */
  /**
   * Has all commands, and what they have started, stand still. Resolves when they do. Deadlines go on, but for `idleTime` of
   * commands; `kill()`, `destroy()` and limits end what stands still, too. A signal other than SIGKILL is
   * received when it is resumed.
   *
   * @throws SandboxError `ERR_SANDBOX_PAUSE`: it was not possible, and everything goes on; `ERR_SANDBOX_CLOSED`
   */
  pause(): Promise<void>;
  /** Has all go on. @throws SandboxError `ERR_SANDBOX_PAUSE` or `ERR_SANDBOX_CLOSED` */
  resume(): Promise<void>;
  /**
   * `'frozen'`: by the kernel's freezer, which nobody inside notices. `'stopped'`: there is none for this app; by SIGSTOP, which parents
   * of what is stopped are told of.
   */
  readonly paused: false | 'frozen' | 'stopped';
  /** What it uses now. @throws SandboxError `ERR_SANDBOX_CLOSED` */
  usage(): Promise<SandboxUsage>;
  /**
   * `'start'` and `'end'` of each command, once each, and `'over'` at last. What a listener throws becomes a warning of the process.
   * One that is added after a command was spawned may hear of its start only with its end.
   */
  on<Name extends keyof SandboxEvents>(event: Name, listener: SandboxListener<Name>): this;
  off<Name extends keyof SandboxEvents>(event: Name, listener: SandboxListener<Name>): this;
  readonly ended: Promise<SandboxEnd>;
  /**
   * What commands did to the directories of `filesystem.overlay`, parents before what is in them. Also after the sandbox has ended by itself, until
   * `destroy()`. While commands run it is how things are at that moment.
   *
   * @throws SandboxError `ERR_CHANGES`, or `ERR_SANDBOX_CLOSED` after `destroy()`
   */
  changes(): Promise<readonly Change[]>;
  /**
   * The same as text, in the unified format. A file that is longer than 1 MiB or is no text is only said to differ.
   *
   * @param path a path of `changes()`, or a directory that they lie in; relative to the overlay if there is but one. @default all
   * @throws SandboxError `ERR_CHANGES` also where nothing was changed
   */
  diff(path?: string | Uint8Array): Promise<string>;
  /**
   * Writes changes to the original directory. Each file is replaced as a whole, and belongs to the original's owner, or to that of the directory that it
   * comes into; set-id bits and extended attributes are not kept. All are checked before the first is written. A process that is killed meanwhile can leave
   * a file `.spawn-sandbox-…` behind.
   *
   * @param paths as for `diff()`. New directories that they lie in are kept with them. @default all
   * @returns what was kept
   * @throws SandboxError `ERR_CHANGE_CONFLICT` when an original was changed after the sandbox was made; `ERR_CHANGES` for fifos, sockets, devices, links that
   *   lead out, and what `filesystem.protect` names
   */
  commit(paths?: readonly (string | Uint8Array)[], options?: CommitOptions): Promise<readonly Change[]>;
  /**
   * Throws away what was written: the sandbox is made anew, with an empty `/tmp` and home directory. No command may run. Its deadline stays.
   *
   * @throws SandboxError `ERR_CHANGES` while commands run, or why it cannot be made
   */
  discard(): Promise<void>;
  /** Ends all commands, with cause `'destroyed'`, and the sandbox. Resolves when nothing is left of it. */
  destroy(): Promise<void>;
}

/**
 * Makes a sandbox that lives until it is destroyed, `limits.wallTime` has passed or the app has ended.
 *
 * @param options `limits` bound the whole of it, and each command that is not given lower ones; without
 *   `limits.wallTime` it lives on. `limits.idleTime` is for how long there may be no command
 * @throws SandboxError `ERR_INVALID_OPTION`, `ERR_NOT_YET`, `ERR_UNSUPPORTED_PLATFORM`, or why it cannot be made
 */
export async function createSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  requireLinux();
  expectObject(options, 'options', OPTION_NAMES);
  const sandbox = new LivingSandbox(options);
  await sandbox.made();
  return sandbox;
}

/** Of a longer one Node makes one of a millisecond. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

class LivingSandbox implements Sandbox {
  readonly #options: SandboxOptions;
  #session: Session;
  readonly #madeAt = performance.now();
  readonly #over: Promise<SandboxEnd>;
  #tellEnd!: (end: SandboxEnd) => void;
  /** Milliseconds. */
  readonly #idleTime: number;
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
    this.#idleTime = plan.options.limits.idleTime;
    this.#over = new Promise((resolve) => (this.#tellEnd = resolve));
    this.#session = this.#begin(plan);
    const planFiles = filesPlanner(options);
    this.files = new LivingFiles((request, source, signal) => {
      this.#requireOpen();
      return this.#runBuiltin(planFiles(request, this.#session.policy), source, signal);
    }, plan.options.cwd);
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
    const { wallTime } = planSandbox(this.#options).options.limits;
    const left = Math.max(1, wallTime - (performance.now() - this.#madeAt));
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

  spawn(file: string, args: readonly string[] = [], options: SandboxOptions = {}): Step {
    this.#requireOpen();
    const isHeard = this.#announcements.isHeard('start');
    const plan = planCommand(file, args, this.#options, options, this.#session.policy, isHeard);
    const step = this.#step(plan, inputSource(options.input, plan.options), checkSignal(options.signal), {
      ...(isHeard
        ? {
            onStarted: () => {
              this.#commands.begun(step);
            },
          }
        : {}),
      onSettled: (outcome) => {
        this.#commands.ended(step, outcome, plan.keeps);
      },
    });
    this.#commands.add(step, file, args);
    step.start();
    return step;
  }

  #requireOpen(): void {
    if (this.#session.isOver) throw sandboxIsOver('run a command in');
  }

  #runBuiltin(plan: Plan, source: InputSource, signal: AbortSignal | undefined): RunningStep {
    const step = this.#step(plan, source, signal, {
      onSettled: () => {
        this.#operations--;
      },
    });
    this.#operations++;
    step.start();
    return step;
  }

  #step(
    plan: Plan,
    source: InputSource,
    signal: AbortSignal | undefined,
    { onStarted, onSettled }: { onStarted?: () => void; onSettled: (outcome: StepResult | SandboxError) => void },
  ): RunningStep {
    const step = new RunningStep(plan, source, signal, {
      addon: loadAddon(),
      connection: () => this.#session.connection,
      standsStill: () => this.#standing.still,
      ...(onStarted === undefined ? {} : { onStarted }),
      onSettled: (_, outcome) => {
        untrackStep(step);
        onSettled(outcome);
        this.#settled();
      },
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
