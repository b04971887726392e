import type { ErrorCode } from '../errors.js';
import type { AnyLayer, Enforced, Layer, OptionalLayer } from '../layers.js';
import type { Cause } from '../result.js';
import type { ContainerKind } from './environment.js';
import type { ProbeName } from './probes.js';
import type { ProblemCode } from './problem-codes.js';

/** What this machine can enforce, as `checkSupport()` found by trying. Plain data: `JSON.stringify` shows all of it. */
export interface SupportReport {
  /** A sandbox with the given options was made, ran a program, and its memory limit (if it has one) was kept. */
  readonly supported: boolean;
  /** The spawner acts with host privileges; otherwise as root of a user namespace of its own. */
  readonly privileged: boolean;
  /** As `process.platform` and `process.arch`: `'linux-x64'`. */
  readonly platform: string;
  /** The kernel's release. For people: nothing is concluded from it. */
  readonly kernel: string;
  /** The version of Node. */
  readonly node: string;
  /** Where the app runs. */
  readonly environment: SupportEnvironment;
  /** Whether each layer can be enforced. */
  readonly layers: Readonly<Record<Layer, LayerSupport> & Partial<Record<OptionalLayer, LayerSupport>>>;
  /** Everything that was tried out, as it came from the kernel. */
  readonly probes: readonly SupportProbe[];
  /** What stands in the way, most severe first. */
  readonly problems: readonly SupportProblem[];
  /** What became of a sandbox with the given options. */
  readonly selfTest: SelfTest;
}

/** Where the app runs. */
export interface SupportEnvironment {
  /** Missing when nothing tells of a container. */
  readonly container?: ContainerKind;
  /** What tells so, a fact each. */
  readonly evidence: readonly string[];
}

/** Whether a layer can be enforced here. */
export interface LayerSupport {
  /** `'weaker'`: only in a form that `allowWeaker` must accept. `'missing'`: not at all. */
  readonly state: 'available' | 'weaker' | 'missing';
  /** What enforces it, as `'cgroup v2'` or `'leased id'`. */
  readonly by?: string;
  /** Why it is weaker or missing. */
  readonly reason?: string;
  /** The facts from which the reason follows. */
  readonly evidence?: readonly string[];
  /** What to do about it; several lines, to be copied. */
  readonly remedy?: string;
}

/** One thing that was tried out. */
export interface SupportProbe {
  /** Its name. */
  readonly probe: ProbeName;
  /** `'outside'`: with the app's own rights. `'inside'`: where the spawner works. Without host privileges that is a user namespace. */
  readonly where: 'outside' | 'inside';
  /** Whether it could be done. */
  readonly works: boolean;
  /** The system's answer, as `'EPERM'`. */
  readonly errno?: string;
  /** What the kernel told, as the version of Landlock. */
  readonly value?: number;
}

/** One cause, however many layers it affects. */
export interface SupportProblem {
  /** Stable; the texts are not. */
  readonly code: ProblemCode;
  /** The problem in a few words. */
  readonly title: string;
  /** `'error'`: a layer is missing. `'warning'`: a layer is weaker. `'note'`: nothing that is asked for by default suffers. */
  readonly severity: 'error' | 'warning' | 'note';
  /** What happens here and why. */
  readonly reason: string;
  /** The facts from which the reason follows. */
  readonly evidence: readonly string[];
  /** What to do; several lines, to be copied. */
  readonly remedy: string;
  /** The layers concerned. */
  readonly affects: readonly AnyLayer[];
}

/** What happened to `/bin/true` in a sandbox with the given options. */
export interface SelfTest {
  /** It exited with status 0, and its memory limit, if there is one, was kept. */
  readonly ok: boolean;
  /** What confined it, as in every result. */
  readonly enforced?: Enforced;
  /** One sentence about how it ended. */
  readonly detail?: string;
  /** The `SandboxError`, when it could not be started. */
  readonly error?: SelfTestError;
  /** How a program ended that asked for more memory than it may have: must be `'oom'`. Missing when there is no limit to test. */
  readonly memoryLimit?: { readonly cause: Cause; readonly detail: string };
}

/** A `SandboxError` as plain data. */
export interface SelfTestError {
  /** Stable; the message is not. */
  readonly code: ErrorCode;
  /** What could not be done, on what, and why. */
  readonly message: string;
  /** The layer concerned. */
  readonly layer?: Layer;
  /** The path concerned. */
  readonly path?: string;
  /** The system's error number, positive. */
  readonly errno?: number;
  /** What to do about it. */
  readonly remedy?: string;
}
