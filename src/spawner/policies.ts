import { RecentMap } from '../options/cache.js';
import type { Policy } from '../policy/policy.js';

/** A policy as one spawner knows it. */
export interface DefinedPolicy {
  readonly id: number;
  /** Steps that need it; while there are any, it is not forgotten. */
  steps: number;
}

/** Each policy keeps a process and ready sandboxes; an app that makes a policy per step must not collect them. */
const KEPT = 32;

/** Numbers for policies: each is described to the spawner once and named by number afterwards. */
export class Policies {
  readonly #known: RecentMap<Policy, DefinedPolicy>;
  readonly #define: (id: number, policy: Policy) => void;
  #last = 0;

  constructor(define: (id: number, policy: Policy) => void, forget: (id: number) => void) {
    this.#define = define;
    this.#known = new RecentMap(KEPT, ({ id, steps }) => {
      if (steps > 0) return false;
      forget(id);
      return true;
    });
  }

  lease(policy: Policy): DefinedPolicy {
    let known = this.#known.get(policy);
    if (known === undefined) {
      known = { id: ++this.#last, steps: 0 };
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
  }
}
