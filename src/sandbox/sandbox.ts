import { SandboxError } from '../errors.js';
import { expectObject } from '../options/check.js';
import { OPTION_NAMES } from '../options/resolve.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { checkSignal } from '../options/signal.js';
import { loadAddon, requireLinux } from '../spawner/locate.js';
import { sharedConnection, trackStep, untrackStep } from '../spawner/shared.js';
import { inputSource } from '../step/input.js';
import { RunningStep } from '../step/running-step.js';
import type { Step } from '../step/step.js';
import { planCommand, planSandbox } from './plans.js';
import { type SandboxEnd, Session } from './session.js';

/** A sandbox that lives: commands run in it one after another or at once, and find what others have left. */
export interface Sandbox extends AsyncDisposable {
  /**
   * Runs a command in the sandbox. Returns at once. Whatever it has started and not ended is ended with it.
   *
   * @param options replace those of the sandbox; `limits` and `env` are replaced one by one. What the sandbox itself is made of
   *   (`filesystem`, `user`, `network`, `syscalls`, `allowMissing`, `allowWeaker`, `limits.scratch`) cannot be given here
   * @throws SandboxError `ERR_INVALID_OPTION` or `ERR_SANDBOX_CLOSED`
   */
  spawn(file: string, args?: readonly string[], options?: SandboxOptions): Step;
  /** Resolves when nothing is left of it, whatever ended it. */
  readonly ended: Promise<SandboxEnd>;
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
  readonly #session: Session;
  /** Milliseconds. */
  readonly #idleTime: number;
  #idle: NodeJS.Timeout | undefined;
  #running = 0;

  constructor(options: SandboxOptions) {
    const plan = planSandbox(options);
    this.#options = options;
    this.#idleTime = plan.options.limits.idleTime;
    this.#session = new Session(plan, sharedConnection());
    const handle = {
      destroy: () => {
        this.#session.end('destroyed');
      },
    };
    trackStep(handle);
    void this.#session.over.then(() => {
      untrackStep(handle);
      clearTimeout(this.#idle);
    });
  }

  async made(): Promise<void> {
    await this.#session.made;
    this.#waitForCommand();
  }

  get ended(): Promise<SandboxEnd> {
    return this.#session.over;
  }

  spawn(file: string, args: readonly string[] = [], options: SandboxOptions = {}): Step {
    if (this.#session.isOver) {
      throw new SandboxError('ERR_SANDBOX_CLOSED', 'Cannot run a command in a sandbox that is over.', {
        remedy: 'Make another by createSandbox().',
      });
    }
    const plan = planCommand(file, args, this.#options, options, this.#session.policy);
    const step = new RunningStep(plan, inputSource(options.input, plan.options.stdin), checkSignal(options.signal), {
      addon: loadAddon(),
      connection: () => this.#session.connection,
      onSettled: () => {
        untrackStep(step);
        this.#running--;
        this.#waitForCommand();
      },
    });
    this.#running++;
    clearTimeout(this.#idle);
    trackStep(step);
    step.start();
    return step;
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

  async destroy(): Promise<void> {
    const { connection, over } = this.#session;
    connection.hold();
    this.#session.end('destroyed');
    await over;
    connection.letGo();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.destroy();
  }
}
