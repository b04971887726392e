import type { Enforced } from './layers.js';

/** Why a step ended. The first event wins. */
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

/** A limit that a step can touch without ending for it. */
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
  /** Missing when not known. */
  readonly userCpuMs?: number;
  /** Missing when not known. */
  readonly systemCpuMs?: number;
  /** Missing when not known. */
  readonly peakMemoryBytes?: number;
  /**
   * Most processes and threads at once, counted as `limits.processes` counts them. Missing where no cgroup counts them, or
   * the kernel keeps no peak (`pids.peak`).
   */
  readonly peakProcesses?: number;
}

/** Something that the policy refused to the step. */
export interface Denial {
  readonly layer: string;
  readonly what: string;
}

/** What became of a step, as a value: whatever the step did, it is no exception. */
export interface StepResult {
  /** The cause is `'exit'` and the status 0. */
  readonly ok: boolean;
  /** What `wait()` said of the step's main process: its exit code, or minus the signal. -9 when we ended it. */
  readonly status: number;
  /** `null` when a signal ended it. */
  readonly exitCode: number | null;
  /** `null` when it exited. */
  readonly signal: NodeJS.Signals | null;
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
  readonly usage: Usage;
  /** What confined the step, layer by layer, as the spawner observed it before the step ran. */
  readonly enforced: Enforced;
  readonly denials?: readonly Denial[];
}

/** What the function of a typed step threw. The step's claim: escape it before a terminal sees it. */
export interface StepFailure {
  /** `ValueError`, `TypeError`. */
  readonly type: string;
  readonly message: string;
  /** As the language writes it, without frames of the library. */
  readonly traceback: string;
}
