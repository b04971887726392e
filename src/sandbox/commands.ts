import type { SandboxError } from '../errors.js';
import type { StepResult } from '../result.js';
import type { RunningStep } from '../step/running-step.js';
import type { Announcements } from './events.js';

interface Command {
  readonly id: string;
  readonly file: string;
  readonly args: readonly string[];
  begun: boolean;
}

/** Beyond that many, it is looked whether those that had been left in the background are still there. */
const MANY_LEFT = 1024;

/** The commands of one sandbox: who they are, and what is told of them. */
export class Commands {
  readonly #running = new Map<RunningStep, Command>();
  /** By the number that the spawner knows: commands that may have left something in the background. */
  readonly #left = new Map<number, string>();
  readonly #announcements: Announcements;

  constructor(announcements: Announcements) {
    this.#announcements = announcements;
  }

  get count(): number {
    return this.#running.size;
  }

  get steps(): Iterable<RunningStep> {
    return this.#running.keys();
  }

  /** It is worth a look which of them are still there. */
  get manyLeft(): boolean {
    return this.#left.size > MANY_LEFT;
  }

  add(step: RunningStep, file: string, args: readonly string[]): void {
    this.#running.set(step, { id: step.id, file, args: [...args], begun: false });
  }

  begun(step: RunningStep): void {
    const command = this.#running.get(step);
    if (command === undefined || command.begun) return;
    command.begun = true;
    const { id, file, args } = command;
    this.#announcements.tell({ type: 'start', id, file, args, at: Date.now() });
  }

  ended(step: RunningStep, outcome: StepResult | SandboxError, leaves: boolean): void {
    // Who began to listen meanwhile hears of both.
    if (step.ran) this.begun(step);
    const command = this.#running.get(step);
    if (command === undefined) return;
    this.#running.delete(step);
    if (leaves && step.ran) this.#left.set(step.stepId, step.id);
    const { id, file, args } = command;
    const what = outcome instanceof Error ? { error: outcome } : { result: outcome };
    this.#announcements.tell({ type: 'end', id, file, args, ...what, at: Date.now() });
  }

  /** Forgets those of which nothing is left, and answers how the others are called. */
  names(present: readonly number[]): (stepId: number) => string {
    for (const stepId of [...this.#left.keys()]) {
      if (!present.includes(stepId)) this.#left.delete(stepId);
    }
    const running = new Map([...this.#running].map(([step, { id }]) => [step.stepId, id]));
    return (stepId) => running.get(stepId) ?? this.#left.get(stepId) ?? '';
  }
}
