import type { Enforced } from './layers.js';

/**
 * Why a step ended. The first event wins.
 *
 * - `exit`: it exited, also with a status other than 0
 * - `signal`: a signal ended it that the library did not send, such as SIGSEGV
 * - `oom`: it used more than `limits.memory`; with scope `'host'` the machine or its container ran out
 * - `wallTimeout`, `cpuTimeout`, `idleTimeout`: `limits.wallTime`, `limits.cpuTime` or `limits.idleTime` was over
 * - `outputLimit`: it wrote more than `limits.output`
 * - `invalidOutput`: a typed step sent what is not valid output; `detail` says what
 * - `seccomp`: it made a system call that its policy punishes by the end
 * - `aborted`: by the option `signal`
 * - `killed`: by `kill()`
 * - `destroyed`: with its sandbox, its zygote or its spawner
 */
export type Cause =
  | 'exit'
  | 'signal'
  | 'oom'
  | 'wallTimeout'
  | 'cpuTimeout'
  | 'idleTimeout'
  | 'outputLimit'
  | 'invalidOutput'
  | 'seccomp'
  | 'aborted'
  | 'killed'
  | 'destroyed';

/** A limit, by the name that it has in `LimitOptions`. */
export type Limit =
  | 'memory'
  | 'processes'
  | 'cpuTime'
  | 'cpus'
  | 'wallTime'
  | 'idleTime'
  | 'output'
  | 'input'
  | 'scratch'
  | 'fileSize'
  | 'openFiles';

/** What a step used, measured from its release to its end. */
export interface Usage {
  /** Waiting for a free sandbox, in milliseconds. */
  readonly queueTimeMs: number;
  /** From release to end, in milliseconds. */
  readonly wallTimeMs: number;
  /** Processor time outside of the kernel, in milliseconds. Missing when not known. */
  readonly userCpuMs?: number;
  /** Processor time in the kernel, in milliseconds. Missing when not known. */
  readonly systemCpuMs?: number;
  /** Most memory at once, in bytes. Missing when not known. */
  readonly peakMemoryBytes?: number;
  /**
   * Most processes and threads at once, counted as `limits.processes` counts them. Missing where no cgroup counts them, or
   * the kernel keeps no peak (`pids.peak`).
   */
  readonly peakProcesses?: number;
}

/** Something that the policy refused to the step. */
export interface Denial {
  /** The layer that refused it. */
  readonly layer: string;
  /** What was refused. */
  readonly what: string;
}

/** What became of a step, as a value: whatever the step did, it is no exception. */
export interface StepResult {
  /** The cause is `'exit'` and the status 0. */
  readonly ok: boolean;
  /** What `wait()` said of the step's main process: its exit code, or minus the signal. -9 when the library ended it. */
  readonly status: number;
  /** `null` when a signal ended it. */
  readonly exitCode: number | null;
  /** `null` when it exited. */
  readonly signal: NodeJS.Signals | null;
  /** Why it ended. */
  readonly cause: Cause;
  /** Whose deadline or memory limit it was. */
  readonly scope: 'step' | 'sandbox' | 'host';
  /** One sentence with the evidence, for people. */
  readonly detail: string;
  /** Limits that were touched without being the cause: `memory`, `processes`, `scratch`, `fileSize`; the others are causes. */
  readonly limitsHit: readonly Limit[];
  /** At most `collect` bytes, exactly as written; text unless `encoding` is `'buffer'`. */
  readonly stdout: string | Uint8Array;
  /** At most `collect` bytes, exactly as written; text unless `encoding` is `'buffer'`. */
  readonly stderr: string | Uint8Array;
  /** More was written than `stdout` or `stderr` hold. */
  readonly truncated: boolean;
  /** What it used. */
  readonly usage: Usage;
  /** What confined the step, layer by layer, as the spawner observed it before the step ran. */
  readonly enforced: Enforced;
  /** What the policy refused to it. Reserved: no result has it yet. */
  readonly denials?: readonly Denial[];
}

/** What the function of a typed step threw. The step's claim: escape it before a terminal sees it. */
export interface StepFailure {
  /** The name of its class, as `'ValueError'` or `'TypeError'`. */
  readonly type: string;
  /** What it says. */
  readonly message: string;
  /** As the language writes it, without frames of the library. */
  readonly traceback: string;
}
