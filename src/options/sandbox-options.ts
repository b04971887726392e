import type { Readable } from 'node:stream';
import type { AnyLayer, Layer } from '../layers.js';
import type { SyscallPolicy } from '../syscalls/index.js';
import type { Duration, Size } from '../units.js';
import type { FilesystemOptions } from './filesystem.js';
import type { LimitOptions } from './limits.js';

/** A whole value, or pieces of text or bytes in order. */
export type Input = string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array> | Readable;

/** Who the step is, as seen inside. On the host it is another, unprivileged identity. */
export interface UserOptions {
  /** From 1 to 65533. @default 1000 */
  readonly uid?: number;
  /** From 1 to 65533. @default 1000 */
  readonly gid?: number;
  /** Names the account and its home directory `/home/<name>`. @default 'sandbox' */
  readonly name?: string;
}

/** What becomes of an output stream. */
export type OutputMode = 'pipe' | 'inherit' | 'ignore';

/** What a step may do and use, and what the app wants of it. An unknown name anywhere is an error. */
export interface SandboxOptions {
  /** What the step and all its children together may use. @default that of each limit */
  readonly limits?: LimitOptions;
  /** What the step sees of the host. @default `/usr`, its own interpreter and a minimal `/etc` */
  readonly filesystem?: FilesystemOptions;
  /** Variables of the step; `true` passes the app's value on. Nothing else is inherited. @default {} */
  readonly env?: Readonly<Record<string, string | true>>;
  /** Working directory inside, absolute. @default the step's home directory: empty, writable and its own */
  readonly cwd?: string;
  /** Who the step is, as seen inside. @default that of each part */
  readonly user?: UserOptions;

  /** What the step reads from stdin. Excludes `stdin: 'pipe'`. @default nothing: stdin is at its end */
  readonly input?: Input;
  /** `'pipe'` makes `step.stdin` a stream that the app writes and ends. @default 'empty' */
  readonly stdin?: 'empty' | 'pipe';
  /** `'inherit'` also relays to the app's stdout, through the app: the step never gets that descriptor. @default 'pipe' */
  readonly stdout?: OutputMode;
  /** `'inherit'` also relays to the app's stderr, through the app: the step never gets that descriptor. @default 'pipe' */
  readonly stderr?: OutputMode;
  /** Whether `result.stdout` and `result.stderr` are text or bytes. @default 'utf8' */
  readonly encoding?: 'utf8' | 'buffer';
  /** Most bytes of each stream that the result keeps, as a number or as `'1MiB'`; `false` keeps none. Streams and lines are not cut by it. @default '8MiB' */
  readonly collect?: Size | false;
  /** Reject with `StepError` unless the step is ok. @default false */
  readonly reject?: boolean;
  /**
   * Run in a terminal of its own of this size, both from 1 to 65535, which is stdin, stdout and stderr, and the step's controlling one: `step.stdin`
   * types into it, `step.stdout` is what it shows, `step.stderr` is empty, `step.resize()` changes its size. `input` is typed, and then ^D.
   * `TERM` is `xterm-256color` unless `env` says otherwise. @default none
   */
  readonly terminal?: { readonly columns: number; readonly rows: number };

  /** `'host'` shares the app's network and needs `allowMissing: ['net']`. @default 'none' */
  readonly network?: 'none' | 'host';
  /** Which system calls are let through. @default 'default' */
  readonly syscalls?: 'default' | 'strict' | 'build' | SyscallPolicy;
  /**
   * While a step runs on a core, nothing but the step itself runs on other threads of that core, so that neither can measure or disturb the other there.
   * It costs the time in which those threads have nothing to do. Where the kernel has no core scheduling and cores have threads, it is `ERR_LAYER_UNAVAILABLE`.
   * @default false
   */
  readonly coreScheduling?: boolean;
  /** Layers that may be missing altogether; without them here, a missing one is `ERR_LAYER_UNAVAILABLE`. @default [] */
  readonly allowMissing?: readonly AnyLayer[];
  /**
   * Layers that may hold in a weaker form. It stands in every result.
   * @default [] for an app with root, else ['uid', 'groups', 'memory', 'processes', 'cpu']
   */
  readonly allowWeaker?: readonly Layer[];

  /**
   * What outlives the main process of a command stays in its sandbox, where the next commands find it, until that ends. Only for
   * `createSandbox()` and the commands of its sandboxes. @default false
   */
  readonly keepBackground?: boolean;

  /** Ends the step with cause `'aborted'`, also before it has started. @default none */
  readonly signal?: AbortSignal;
  /** Time between a polite signal of `kill()` and the end of the sandbox, in milliseconds or as `'5s'`. @default '5s' */
  readonly killGrace?: Duration;
}
