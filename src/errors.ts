import type { Layer } from './layers.js';
import type { StepFailure, StepResult } from './result.js';

/** Every code of a `SandboxError`, and in one line what it means. `docs/errors.md` has a heading for each. */
export const ERROR_CODES = {
  ERR_INVALID_OPTION: 'an option has an unknown name, a wrong type or an impossible value',
  ERR_UNSUPPORTED_PLATFORM: 'the library runs on Linux only',
  ERR_NATIVE_MISSING: 'the native spawner or addon is not where it should be',
  ERR_SPAWNER_START: 'the spawner could not be started or configured',
  ERR_SPAWNER_DIED: 'the spawner ended while a step needed it',
  ERR_SPAWNER_CLOSED: 'the spawner was closed before the step could start',
  ERR_LAYER_UNAVAILABLE: 'a layer that the policy asks for cannot be applied here',
  ERR_LAYER_NOT_OBSERVED: 'a layer was applied, and looking at the process showed something else',
  ERR_COMMAND_NOT_FOUND: 'the program does not exist inside the sandbox',
  ERR_COMMAND_NOT_EXECUTABLE: 'the program exists inside the sandbox and cannot be executed',
  ERR_WORK_DIRECTORY: 'the working directory cannot be entered',
  ERR_MOUNT_SOURCE: 'the source of a mount cannot be used',
  ERR_MOUNT_TARGET: 'the target of a mount cannot be made',
  ERR_MOUNT_RULE: 'a path cannot be hidden or protected',
  ERR_SCRATCH: 'scratch space cannot be put on a disk',
  ERR_CHANGES: 'what was written to an overlay cannot be listed, compared or kept',
  ERR_CHANGE_CONFLICT: 'a change cannot be kept because the original is not what it was',
  ERR_QUEUE_TIMEOUT: 'the step waited too long for a free sandbox',
  ERR_RESOURCES: 'descriptors, processes, memory or identities ran out',
  ERR_LIMIT: 'a limit could not be set',
  ERR_STEP_LOST: 'the sandbox ended before it could report what became of its step',
  ERR_ZYGOTE: 'a zygote could not be made warm, or could not fork a step',
  ERR_ZYGOTE_CLOSED: 'the zygote was closed or destroyed before the step could start',
  ERR_SANDBOX_CLOSED: 'the sandbox was over before the command could start in it',
  ERR_FILES: 'an operation on the files of a sandbox could not be carried out',
  ERR_SANDBOX_PAUSE: 'what runs in a sandbox could not be made to stand still, or to go on',
  ERR_IMAGE: 'an image cannot be unpacked',
  ERR_PROTOCOL: 'app and spawner misunderstood each other: a bug in this library',
  ERR_INPUT: 'the input of a step failed or is longer than `limits.input`',
  ERR_TABLE: 'a table could not be handed to or taken from a step',
  ERR_ARROW_INVALID: 'a table that came from a step is not what an Arrow file must be',
  ERR_OUTPUT_GONE: 'output was asked for from its beginning after part of it had been dropped',
} as const;

/** The stable code of a `SandboxError`. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What is known about a failure besides its sentence. */
export interface SandboxErrorDetails {
  /** The layer concerned; nothing for an optional one, which the message names. */
  readonly layer?: Layer | undefined;
  /** The path concerned. */
  readonly path?: string | undefined;
  /** The system call that failed. */
  readonly syscall?: string | undefined;
  /** The system's error number, positive. */
  readonly errno?: number | undefined;
  /** What to do about it, in a sentence that is put behind the message. */
  readonly remedy?: string | undefined;
  /** What it comes from, as `cause` of any `Error`. */
  readonly cause?: unknown;
}

/** What *we* could not do. What the *step* did is never an exception, but a `StepResult`. */
export class SandboxError extends Error {
  /** Tells it from other errors. */
  override readonly name = 'SandboxError';
  /** Stable; the message is not. */
  readonly code: ErrorCode;
  /** The layer concerned; nothing for an optional one, which the message names. */
  declare readonly layer?: Layer;
  /** The path concerned. */
  declare readonly path?: string;
  /** The system call that failed. */
  declare readonly syscall?: string;
  /** The system's error number, positive. */
  declare readonly errno?: number;
  /** What to do about it. It is part of the message, too. */
  declare readonly remedy?: string;

  /** The library makes them; apps may do so in their tests. `message`: a sentence. */
  constructor(code: ErrorCode, message: string, details: SandboxErrorDetails = {}) {
    const { cause, ...known } = details;
    const text = known.remedy === undefined ? message : `${message} ${known.remedy}`;
    super(text, cause === undefined ? undefined : { cause });
    this.code = code;
    for (const [key, value] of Object.entries(known)) {
      if (value !== undefined) Object.defineProperty(this, key, { value, enumerable: true });
    }
  }
}

/** What `reject: true` and a typed step reject with when the step was not ok. */
export class StepError extends Error {
  /** Tells it from other errors. */
  override readonly name = 'StepError';
  /** Always the same. */
  readonly code = 'ERR_STEP_FAILED';
  /** What became of the step. */
  readonly result: StepResult;
  /** What the function of a typed step threw, if that is how it ended: the step's claim, to be escaped before a terminal sees it. */
  declare readonly failure?: StepFailure;

  /** The library makes them; apps may do so in their tests. `said`: the failure as one line that can be shown. */
  constructor(result: StepResult, command: string, claim?: { readonly failure: StepFailure; readonly said: string }) {
    super(`${command}: ${claim?.said ?? result.detail}`);
    this.result = result;
    if (claim !== undefined) Object.defineProperty(this, 'failure', { value: claim.failure, enumerable: true });
  }
}
