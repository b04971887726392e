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
import { Session } from './session.js';

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
  /** Ends all commands, with cause `'destroyed'`, and the sandbox. Resolves when nothing is left of it. */
  destroy(): Promise<void>;
}

/**
 * Makes a sandbox that lives until it is destroyed, `limits.wallTime` has passed or the app has ended.
 *
 * @param options `limits` bound the whole of it, and each command that is not given lower ones; without `limits.wallTime` it lives on
 * @throws SandboxError `ERR_INVALID_OPTION`, `ERR_NOT_YET`, `ERR_UNSUPPORTED_PLATFORM`, or why it cannot be made
 */
export async function createSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  requireLinux();
  expectObject(options, 'options', OPTION_NAMES);
  const sandbox = new LivingSandbox(options);
  await sandbox.made;
  return sandbox;
}

class LivingSandbox implements Sandbox {
  readonly #options: SandboxOptions;
  readonly #session: Session;

  constructor(options: SandboxOptions) {
    this.#options = options;
    this.#session = new Session(planSandbox(options), sharedConnection());
    const handle = {
      destroy: () => {
        this.#session.destroy();
      },
    };
    trackStep(handle);
    void this.#session.over.then(() => {
      untrackStep(handle);
    });
  }

  get made(): Promise<void> {
    return this.#session.made;
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
      onSettled: untrackStep,
    });
    trackStep(step);
    step.start();
    return step;
  }

  async destroy(): Promise<void> {
    const { connection, over } = this.#session;
    connection.hold();
    this.#session.destroy();
    await over;
    connection.letGo();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.destroy();
  }
}
