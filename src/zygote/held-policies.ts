import { RecentMap } from '../options/cache.js';
import type { Policy } from '../policy/policy.js';
import type { Connection } from '../spawner/connection.js';
import type { DefinedPolicy } from '../spawner/policies.js';

/** Each keeps a process and sandboxes; steps whose options differ all the time must not collect them. */
const MOST_POLICIES = 16;

interface HeldPolicy {
  readonly own: Policy;
  /** That of steps without options of their own: its steps are parked, so it is kept for as long as there are any. */
  readonly isFirst: boolean;
  readonly lease: DefinedPolicy;
}

/** What a zygote's steps are to run under, each made the zygote's own and described to the spawner once. */
export class HeldPolicies {
  readonly #connection: Connection;
  /** By the policy as it would be for commands. */
  readonly #held = new RecentMap<Policy, HeldPolicy>(MOST_POLICIES, (held) => {
    if (held.isFirst) return false;
    void this.#release(held);
    return true;
  });

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The number of a policy at the spawner; undefined when it was not held. */
  idOf(policy: Policy): number | undefined {
    return this.#held.get(policy)?.lease.id;
  }

  /** `make` turns it into the zygote's own, the first time that it is asked for. */
  hold(policy: Policy, make: (isFirst: boolean) => Policy): Policy {
    const known = this.#held.get(policy);
    if (known !== undefined) return known.own;
    const isFirst = this.#held.size === 0;
    const own = make(isFirst);
    this.#held.set(policy, { own, isFirst, lease: this.#connection.lease(own) });
    return own;
  }

  keys(): Iterable<Policy> {
    return this.#held.keys();
  }

  /** Resolves when nothing is left of any of their sandboxes. */
  async releaseAll(): Promise<void> {
    const all = [...this.#held.values()];
    this.#held.clear();
    await Promise.all(all.map((held) => this.#release(held)));
  }

  #release({ own, lease }: HeldPolicy): Promise<void> {
    this.#connection.release(lease);
    return this.#connection.retire(own);
  }
}
