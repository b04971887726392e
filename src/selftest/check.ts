/** What a check is about; the table has a row for each. */
export const GROUPS = [
  'identity',
  'system calls',
  'foreign calls',
  'namespaces',
  'sockets',
  'files',
  'kernel',
  'devices',
  'launcher',
  'host',
  'neighbours',
  'exhaustion',
  'staying',
  'tampering',
  'practical',
] as const;
export type Group = (typeof GROUPS)[number];

/** What an operation of `native/selftest` was answered, or what became of it. */
export type Answer =
  | { readonly kind: 'reached'; readonly text: string }
  | { readonly kind: 'error'; readonly errno: number; readonly text: string }
  | { readonly kind: 'signal'; readonly signal: number }
  /** The whole command ended with it, or did not go on. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'hung' }
  /** Nobody has run it: what it needs is not there. */
  | { readonly kind: 'absent'; readonly text: string };

/** `held`: not got here, and got without the sandbox. `unproven`: not got here, and not without it either. */
export type Outcome = 'held' | 'broken' | 'unproven';

export interface Verdict {
  readonly outcome: Outcome;
  /** Only of what is not held. */
  readonly reason?: string;
}

/** What is known when a check is judged. */
export interface Evidence {
  readonly inside: Answer;
  /** The same without a sandbox: the control. */
  readonly outside: Answer;
  /** That only the bait says. */
  readonly token: string;
  /** What the bait noticed while it was tried inside. */
  readonly events: ReadonlySet<string>;
}
export type Judge = (evidence: Evidence) => Verdict;

/** What lies on the host, or in the sandbox next door, to be found. */
export interface Bait {
  readonly token: string;
  readonly directory: string;
  readonly pid: number;
  readonly port: number;
  readonly key: number;
  /** The number of whoever is the first process: 1, or the bait's where that would be the machine's own. */
  readonly first: number;
  /** The app's own. */
  readonly session: number;
  readonly pidNamespace: string;
  /** What could be laid: names of `native/selftest/bait.c`. */
  readonly laid: ReadonlySet<string>;
}

/** An operation of `native/selftest` with its arguments. */
export type Operation = readonly [name: string, ...parameters: (string | number)[]];

export interface Check {
  /** Stable, within its group: `system calls/ptrace`. */
  readonly id: string;
  readonly group: Group;
  /** What was got when it is broken, and of the practical ones what works: the end of "a step ...". */
  readonly title: string;
  readonly operation: Operation | ((bait: Bait) => Operation);
  readonly judge: Judge;
  /** Which bait it needs. */
  readonly needs?: string;
  /** It may end or fill the sandbox, so that it gets one of its own. */
  readonly alone?: boolean;
}

export function fullId({ group, id }: Pick<Check, 'group' | 'id'>): string {
  return `${group}/${id}`;
}

export function operationOf({ operation }: Check, bait: Bait): Operation {
  return typeof operation === 'function' ? operation(bait) : operation;
}
