import type { Table } from 'apache-arrow';
import type { StepError } from '../errors.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import type { StepFailure, StepResult } from '../result.js';
import type { Sandbox } from '../sandbox/types.js';
import type { ArrowCheckOptions } from '../tables/limits.js';
import type { ArrowSummary } from '../tables/report.js';
import type { Duration, Size } from '../units.js';
import type { Zygote } from '../zygote/zygote.js';
import type { ParamsOf, ResultOf } from './messages/types.js';

/** What of `SandboxOptions` a typed step can be given: its streams are the library's own. */
export type TypedStepOptions = Omit<
  SandboxOptions,
  'input' | 'stdin' | 'stdout' | 'stderr' | 'encoding' | 'reject' | 'terminal' | 'signal'
>;

/** A table that the step may return. */
export interface OutputTable extends ArrowCheckOptions {
  /** The step may leave it out. @default false */
  readonly optional?: boolean;
}

/** What every definition can say. */
export interface CommonDefinition<P, R> extends TypedStepOptions {
  /** Type of the parameters: a class or `Type` of protobufjs. @default plain values, as JSON has them */
  readonly params?: P;
  /** Type of the result and of the messages on the way: a class or `Type` of protobufjs. @default plain values, as JSON has them */
  readonly result?: R;
  /** Tables that it returns, by name. @default up to 4, of any names; none where they cannot be named (`protocol: 'none'`) */
  readonly outputs?: readonly string[] | Readonly<Record<string, OutputTable>>;
  /** How large one message may be, in bytes or as `'1MiB'`, before it is looked at; up to `'64MiB'`. @default '256KiB' */
  readonly maxMessageBytes?: Size;
  /** Most messages on the way. @default 100000 */
  readonly maxMessages?: number;
  /** Most values in one message: fields, items, entries. They bound the memory that it takes in the app. @default 100000 */
  readonly maxElements?: number;
  /** How long a message may take to arrive, once it has begun, in milliseconds or as `'10s'`. @default '10s' */
  readonly messageTimeout?: Duration;
}

/**
 * A function that is called in a step of a zygote: exactly one of `module`, `file` and `code` says where it is.
 *
 * It is called as `function(params, tables, step)` with as many of these as it takes; parameters named `tables` and `step` get those
 * wherever they stand. `step.send(message)` sends a message on the way. What it returns is the message of the result, a table, an
 * object of tables, or both as a pair. A generator's values are messages on the way.
 */
export interface FunctionDefinition<P, R> extends CommonDefinition<P, R> {
  /** One that `createZygote()` has made: its steps are called. */
  readonly zygote: Zygote;
  /** A module that the step can import. @default none */
  readonly module?: string;
  /** A source file as the step sees it. @default none */
  readonly file?: string;
  /** Source text, run as a module of its own; in Node it exports the function. @default none */
  readonly code?: string;
  /** A name in it; it may be dotted. */
  readonly function: string;
}

/**
 * A program that is started in a sandbox of its own for each call. It finds each table at a path that only it can open: an argument, or the
 * variable `TABLE_input` of a table that is called `input`. A table that it returns is written to its path, in place.
 */
export interface CommandDefinition<P, R> extends CommonDefinition<P, R> {
  /** As in `spawnSandbox()`. */
  readonly command: string;
  /** Its arguments, or what makes them of the paths of its tables. @default [] */
  readonly args?: readonly string[] | ((paths: Readonly<Record<string, string>>) => readonly string[]);
  /**
   * `'none'`: it knows nothing of this library. It reads the parameters as JSON from stdin; what it prints is `logs`, and `message` is
   * undefined. `'frames'`: it is called and answers as `proto/step.proto` has it.
   * @default 'none'
   */
  readonly protocol?: 'none' | 'frames';
}

/** What is called. */
export type StepDefinition<P, R> = FunctionDefinition<P, R> | CommandDefinition<P, R>;

/** A table for a step: a path of an Arrow IPC file, its bytes, an apache-arrow `Table`, or what an earlier step returned. */
export type TableInput = string | Uint8Array | Table;

/** What one call has besides its parameters. Options replace those of the definition; `limits` and `env` one by one. */
export interface CallOptions extends TypedStepOptions {
  /** What the step may read, by name. A path and a `StepTable` are handed over without a copy. @default {} */
  readonly tables?: Readonly<Record<string, TableInput>>;
  /** Copies files given by path first, because others may change them while the step reads. @default false */
  readonly freeze?: boolean;
  /** Ends the step with cause `'aborted'`, also before it has started. @default none */
  readonly signal?: AbortSignal;
  /** One that `createSandbox()` has made: the function runs there, as a job that `zygote.spawn()` is given it with. @default a fresh one */
  readonly sandbox?: Sandbox;
}

/**
 * A table that a step returned, checked to the last value. Its values lie in memory that nobody can change any more; what the app writes
 * into its arrays stays in the app. Given to another step as an input it is neither copied nor checked again.
 */
export interface StepTable extends Table {
  /** What the check found. */
  readonly summary: ArrowSummary;
  /**
   * Writes it as an Arrow IPC file: a copy, which replaces what is there.
   *
   * @throws SandboxError `ERR_TABLE`
   */
  saveTo(path: string): Promise<void>;
  /** Lets go of the file behind it, which else happens when it is collected. Its values stay readable; it can be given to no step. */
  close(): void;
}

/** What a step printed: one line, without its newline. The step's claim, as it wrote it: escape it before a terminal sees it. */
export interface LogEntry {
  /** Which of its streams. */
  readonly stream: 'stdout' | 'stderr';
  /** The line. */
  readonly text: string;
  /** A piece of a line longer than 1 MiB; the next entry of the stream continues it. */
  readonly partial: boolean;
}

/** What came of a call that was ok. */
export interface StepReturn<R> {
  /** Tells it from `StepRefusal`. */
  readonly ok: true;
  /** What the function returned besides tables: the step's claim. */
  readonly message: ResultOf<R>;
  /** The tables it returned, by name: the step's claim, checked to be whole. */
  readonly tables: Readonly<Record<string, StepTable>>;
  /** What became of the step: the library's word. */
  readonly result: StepResult;
}

/** What came of a call that was not ok. */
export interface StepRefusal {
  /** Tells it from `StepReturn`. */
  readonly ok: false;
  /** What the call itself would have rejected with. */
  readonly error: StepError;
  /** What became of the step: the library's word. */
  readonly result: StepResult;
  /** What the function threw, if that is how it ended. */
  readonly failure?: StepFailure;
}

/** A call that was started. `await` gives what it returned. */
export interface RunningCall<R> extends PromiseLike<StepReturn<R>>, AsyncDisposable {
  /** Unique in this process. */
  readonly id: string;
  /**
   * What the step sends on the way. Iterate it in the same turn as the call, once. Not reading holds the step back as soon as
   * somebody iterates; who leaves the loop lets it go on.
   */
  readonly messages: AsyncIterable<ResultOf<R>>;
  /** What it prints: by the language's own streams in exactly that order, for half a million writes, beside what others write to descriptors 1 and 2. */
  readonly logs: AsyncIterable<LogEntry>;
  /** What became of it, however it ended. `stdout` and `stderr` hold what it printed. Rejects with `SandboxError` only. */
  readonly result: Promise<StepResult>;
  /** As `Step.kill()`. */
  kill(signal?: NodeJS.Signals, options?: { readonly grace?: Duration }): void;
}

/** The parameters, or several to be sent one after another while the step runs. */
export type ParamsInput<P> = ParamsOf<P> | AsyncIterable<ParamsOf<P>>;

/** A function that runs in a sandbox of its own for each call. */
export interface TypedStep<P, R> {
  /**
   * Returns at once.
   *
   * @param params an async iterable sends them one by one, and the function finds an iterator
   * @returns resolves to what the function returned; rejects with `StepError` when the step was not ok, with `SandboxError` for what the
   *   library could not do
   * @throws SandboxError `ERR_INVALID_OPTION` for parameters or options that cannot be
   */
  (params: ParamsInput<P>, options?: CallOptions): RunningCall<R>;
  /** As a call, but a step that was not ok is a value. Rejects with `SandboxError` only. */
  try(params: ParamsInput<P>, options?: CallOptions): Promise<StepReturn<R> | StepRefusal>;
}
