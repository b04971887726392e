import type { ErrnoName } from './errno.js';

/** The machines that a filter can be made for, named as Node names them. */
export type Architecture = 'x64' | 'arm64';

/**
 * What becomes of a system call: `allow` executes it, `errno` makes it fail with an error number and without being
 * executed, `kill` ends the whole sandbox with cause `seccomp`.
 */
export type Verdict = 'allow' | 'errno' | 'kill';

/** One of the six arguments of a system call. */
export type ArgumentIndex = 0 | 1 | 2 | 3 | 4 | 5;

/** How many bits of an argument the kernel reads. */
export type ArgumentWidth = 16 | 32 | 64;

/**
 * What must hold of one argument: exactly one comparison, without sign. A negative number stands for the pattern that
 * the kernel sees, so `-1` is all ones.
 */
export interface ArgumentCondition {
  /** Which argument, from 0 on. */
  readonly argument: ArgumentIndex;
  /**
   * How many bits of the argument the kernel reads; the rest is the caller's garbage and must not decide anything.
   * Known for most calls, and then a different width is refused. @default what the kernel reads
   */
  readonly width?: ArgumentWidth;
  /** Only these bits are compared. @default all */
  readonly mask?: number | bigint;
  /** It is this. */
  readonly equals?: number | bigint;
  /** It is not this. */
  readonly notEquals?: number | bigint;
  /** It is one of these. */
  readonly in?: readonly (number | bigint)[];
  /** It is none of these. */
  readonly notIn?: readonly (number | bigint)[];
  /** It is this or less. */
  readonly atMost?: number | bigint;
  /** It is this or more. */
  readonly atLeast?: number | bigint;
  /** At least one of these bits is set. */
  readonly anyBits?: number | bigint;
  /** None of these bits is set. */
  readonly noBits?: number | bigint;
}

/** One row of a policy. The first row that matches a call decides. */
export interface SyscallRule {
  /** The call or calls, as the kernel names them. A call that the architecture lacks is skipped; a name that no architecture has is an error. */
  readonly name: string | readonly string[];
  /** What becomes of it. */
  readonly verdict: Verdict;
  /** What the call fails with, for verdict `errno`. @default 'EPERM' */
  readonly errno?: ErrnoName;
  /** Why, in a few words. Shown when the policy is explained. */
  readonly reason: string;
  /** All of these must hold, else the row does not match. @default none */
  readonly when?: readonly ArgumentCondition[];
}

/** What becomes of every call that no row matches. */
export interface OtherwiseRule {
  /** What becomes of it. */
  readonly verdict: Verdict;
  /** What the call fails with, for verdict `errno`. @default 'EPERM' */
  readonly errno?: ErrnoName;
  /** Why, in a few words. Shown when the policy is explained. */
  readonly reason: string;
}

/** A set of rows that comes with the library. */
export type SyscallPreset = 'default' | 'strict' | 'build';

/** Which system calls a step may make. */
export interface SyscallPolicy {
  /** Rows that come after one's own, and its `otherwise`. @default none: only what `rules` allow is allowed */
  readonly extends?: SyscallPreset;
  /** One's own rows, in order. @default none */
  readonly rules?: readonly SyscallRule[];
  /** What becomes of calls that no row matches. @default that of `extends`, else `ENOSYS` */
  readonly otherwise?: OtherwiseRule;
}

/** What a step says in `syscalls`. */
export type SyscallOption = SyscallPreset | SyscallPolicy;

/** A verdict with its reason: what `explain` answers. */
export interface Explanation {
  readonly verdict: Verdict;
  /** Set exactly for verdict `errno`. */
  readonly errno?: ErrnoName;
  readonly reason: string;
}

/** A condition in its only form: the masked argument is in `values`, or at most `value`; or not. */
export interface ResolvedCondition {
  readonly argument: ArgumentIndex;
  readonly mask: bigint;
  readonly test: { readonly in: readonly bigint[] } | { readonly atMost: bigint };
  readonly negated: boolean;
}

/** A row as it applies to one call of one architecture. */
export interface ResolvedRule extends Explanation {
  readonly when: readonly ResolvedCondition[];
}

/** A policy for one architecture, with nothing left to look up. */
export interface ResolvedSyscallPolicy {
  readonly architecture: Architecture;
  /** By number: the rows of a call in order; those after an unconditional one are left out. */
  readonly calls: ReadonlyMap<number, readonly ResolvedRule[]>;
  readonly otherwise: Explanation;
  /** For calls through another ABI of the same machine. */
  readonly foreign: Explanation;
}

/** The kernel's `struct seccomp_data`, with its names. */
export interface SeccompData {
  readonly nr: number;
  readonly arch: number;
  readonly instructionPointer?: bigint;
  readonly args: readonly (number | bigint)[];
}

/** Two programs that together are the policy. */
export interface CompiledSyscalls {
  /** `struct sock_filter[]`: inherited from the maker; lets through what making a sandbox needs, and what `step` kills. */
  readonly base: Uint8Array;
  /** `struct sock_filter[]`: installed last, in the step. */
  readonly step: Uint8Array;
  /** Whether `step` needs a listener. */
  readonly notifies: boolean;
}
