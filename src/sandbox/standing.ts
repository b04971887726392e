import { SandboxError } from '../errors.js';
import { systemReason } from '../system-reason.js';
import type { Commands } from './commands.js';
import { sandboxIsOver, type Session } from './session.js';

/** Whether a sandbox stands still, one change after another. */
export class Standing {
  readonly #session: () => Session;
  readonly #commands: Commands;
  #last: Promise<void> = Promise.resolve();
  #how: false | 'frozen' | 'stopped' = false;
  #still = false;

  constructor(session: () => Session, commands: Commands) {
    this.#session = session;
    this.#commands = commands;
  }

  get how(): false | 'frozen' | 'stopped' {
    return this.#how;
  }

  /** It stands still, or was told to. */
  get still(): boolean {
    return this.#still;
  }

  change(still: boolean): Promise<void> {
    const changed = this.#last.then(() => this.#change(still));
    this.#last = changed.catch(() => undefined);
    return changed;
  }

  async #change(still: boolean): Promise<void> {
    if (this.#session().isOver) throw sandboxIsOver(still ? 'pause' : 'resume');
    if (this.#still === still) return;
    if (still) this.#still = true; // from now on nobody can be blamed for saying nothing
    const answer = await this.#session().freeze(still);
    if (answer === undefined) throw sandboxIsOver(still ? 'pause' : 'resume');
    if (!still || answer.errno !== 0) this.#goOn();
    if (answer.errno !== 0) throw cannot(still, answer.errno);
    if (still) this.#how = answer.bySignals ? 'stopped' : 'frozen';
  }

  #goOn(): void {
    this.#still = false;
    this.#how = false;
    for (const step of this.#commands.steps) step.goesOn();
  }
}

function cannot(still: boolean, errno: number): SandboxError {
  const what = still
    ? 'Cannot have everything in the sandbox stand still'
    : 'Cannot have everything in the sandbox go on';
  return new SandboxError('ERR_SANDBOX_PAUSE', `${what}: ${systemReason(errno)}. It goes on.`, {
    errno,
    remedy: 'Try again, or end it by destroy().',
  });
}
