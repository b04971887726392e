import { EventEmitter } from 'node:events';
import type { SandboxError } from '../errors.js';
import type { Cause, StepResult } from '../result.js';

/** A command, as all its events name it. */
interface CommandEvent {
  /** That of its step. */
  readonly id: string;
  /** As it was given to `spawn()`. */
  readonly file: string;
  /** As they were given to `spawn()`. */
  readonly args: readonly string[];
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** A command was released into the sandbox. */
export interface SandboxStartEvent extends CommandEvent {
  /** Always the same. */
  readonly type: 'start';
}

/** A command has its result. One that never began has no start before. */
export interface SandboxEndEvent extends CommandEvent {
  /** Always the same. */
  readonly type: 'end';
  /** What became of it. Missing when there is an error. */
  readonly result?: StepResult;
  /** What the library could not do. Missing when there is a result. */
  readonly error?: SandboxError;
}

/** Nothing is left of the sandbox. The last event. */
export interface SandboxOverEvent {
  /** Always the same. */
  readonly type: 'over';
  /** Why it ended, as in `SandboxEnd`. */
  readonly cause: Cause;
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** What a listener is called with, by the name of the event. */
export interface SandboxEvents {
  /** Of each command that began, once. */
  readonly start: SandboxStartEvent;
  /** Of each command, once. */
  readonly end: SandboxEndEvent;
  /** Once, at last. */
  readonly over: SandboxOverEvent;
}

/** What is called for each event of a name. What it throws becomes a warning of the process. */
export type SandboxListener<Name extends keyof SandboxEvents> = (event: SandboxEvents[Name]) => void;

/** Tells who listens, and is not disturbed by what they throw. */
export class Announcements {
  readonly #emitter = new EventEmitter();

  on<Name extends keyof SandboxEvents>(name: Name, listener: SandboxListener<Name>): void {
    this.#emitter.on(name, listener);
  }

  off<Name extends keyof SandboxEvents>(name: Name, listener: SandboxListener<Name>): void {
    this.#emitter.off(name, listener);
  }

  isHeard(name: keyof SandboxEvents): boolean {
    return this.#emitter.listenerCount(name) > 0;
  }

  tell<Name extends keyof SandboxEvents>(event: SandboxEvents[Name] & { readonly type: Name }): void {
    for (const listener of this.#emitter.listeners(event.type)) {
      try {
        (listener as SandboxListener<Name>)(event);
      } catch (error) {
        process.emitWarning(error instanceof Error ? error : String(error));
      }
    }
  }
}
