import type { Readable, Writable } from 'node:stream';
import type { StepResult } from '../result.js';
import type { Duration } from '../units.js';
import type { LineIterator } from './lines.js';

/** A step that was started. `await step` gives its result; `for await (const line of step)` its stdout, line by line. */
export interface Step extends PromiseLike<StepResult>, AsyncIterable<string>, AsyncDisposable {
  /** Unique in this process. */
  readonly id: string;
  /** A plain promise, for `return step.result` in an async function. */
  readonly result: Promise<StepResult>;
  /**
   * Bytes for the step; `null` unless `stdin: 'pipe'` or there is a terminal. What the step does not read is dropped, which is no error.
   * With a terminal they are typed: `end()` types ^D, which programs take for the end; `destroy()` before that hangs up.
   */
  readonly stdin: Writable | null;
  /** Bytes of the step, from the first one. Not reading holds the step back once this has been touched. */
  readonly stdout: Readable;
  /** Bytes of the step, from the first one. Not reading holds the step back once this has been touched. */
  readonly stderr: Readable;
  /**
   * Lines without their `\n` or `\r\n`. One longer than 1 MiB comes in pieces; `partial` of the iterator tells.
   * Iterating the step itself is `lines('stdout')`.
   *
   * @param from which stream; of both, in the order in which lines arrive. @default 'stdout'
   */
  lines(from?: 'stdout' | 'stderr' | 'both'): LineIterator;
  /**
   * Changes the size of the step's terminal, which tells its foreground job by SIGWINCH. Ignored when the step is over.
   *
   * @throws SandboxError `ERR_INVALID_OPTION` for a step without a terminal, and unless both are whole numbers from 1 to 65535
   */
  resize(size: { readonly columns: number; readonly rows: number }): void;
  /**
   * `SIGKILL` ends the whole sandbox at once. `SIGTERM`, `SIGINT`, `SIGHUP` and `SIGQUIT` go to the main process, and the
   * sandbox is ended after `grace`. Any other signal only goes to the main process, unless `grace` is given.
   *
   * @param signal @default 'SIGKILL'
   * @param options.grace in milliseconds or as `'5s'`. @default the option `killGrace`
   */
  kill(signal?: NodeJS.Signals, options?: { readonly grace?: Duration }): void;
}
