import { RecentMap } from '../options/cache.js';
import type { Policy } from '../policy/policy.js';

/** A policy as one spawner knows it. */
export interface DefinedPolicy {
  readonly id: number;
  readonly policy: Policy;
  /** Steps that need it; while there are any, it is not forgotten. */
  steps: number;
  /** No other step will name it. */
  retired: boolean;
}

/** Each policy keeps a process and ready sandboxes; an app that makes a policy per step must not collect them. */
const KEPT = 32;

/** Numbers for policies: each is described to the spawner once and named by number afterwards. */
export class Policies {
  readonly #known: RecentMap<Policy, DefinedPolicy>;
  readonly #define: (id: number, policy: Policy) => void;
  readonly #forget: (id: number) => void;
  #last = 0;

  constructor(define: (id: number, policy: Policy) => void, forget: (id: number) => void) {
    this.#define = define;
    this.#forget = forget;
    this.#known = new RecentMap(KEPT, ({ id, steps }) => {
      if (steps > 0) return false;
      forget(id);
      return true;
    });
  }

  lease(policy: Policy): DefinedPolicy {
    let known = this.#known.get(policy);
    if (known === undefined) {
      known = { id: ++this.#last, policy, steps: 0, retired: false };
      this.#define(known.id, policy);
      known.steps++;
      this.#known.set(policy, known);
      return known;
    }
    known.steps++;
    return known;
  }

  release(policy: DefinedPolicy): void {
    policy.steps--;
    if (policy.retired && policy.steps === 0) this.#forget(policy.id);
  }

  /** The spawner had no memory to keep it: the next step describes it anew. */
  lose(lost: DefinedPolicy): void {
    if (this.#known.get(lost.policy) === lost) this.#known.delete(lost.policy);
  }

  /** Forgets it as soon as no step needs it. Answers its number, if it has one. */
  retire(policy: Policy): number | undefined {
    const known = this.#known.get(policy);
    if (known === undefined) return undefined;
    this.#known.delete(policy);
    known.retired = true;
    if (known.steps === 0) this.#forget(known.id);
    return known.id;
  }
}
