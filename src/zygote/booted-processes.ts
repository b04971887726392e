import type { Policy } from '../policy/policy.js';
import type { Connection } from '../spawner/connection.js';
import { sharedConnection } from '../spawner/shared.js';
import { HeldPolicies } from './held-policies.js';
import type { ResolvedZygoteOptions } from './options.js';
import { planBoot } from './plans.js';
import { runtimeMounts } from './runtimes.js';
import type { StepSource } from './step-source.js';

/**
 * Where an interpreter cannot be forked, or shall not be: processes that start one by one, each confined in the sandbox of
 * the step that it will be, preload, and wait for their job.
 */
export class BootedProcesses implements StepSource {
  readonly connection: Connection = sharedConnection();
  readonly steps = 0; // there is nothing to be recycled
  readonly rssBytes = 0;
  readonly #options: ResolvedZygoteOptions;
  readonly #boot: Pick<Policy, 'boot' | 'bootInput'>;
  readonly #policies = new HeldPolicies(this.connection);
  #retired = false;
  #over: Promise<void> | undefined;

  constructor(options: ResolvedZygoteOptions) {
    this.#options = options;
    this.#boot = planBoot(options);
  }

  get usable(): boolean {
    return !this.#retired && this.connection.alive;
  }

  get policies(): Iterable<Policy> {
    return this.#policies.keys();
  }

  policyFor(policy: Policy): Policy {
    return this.#policies.hold(policy, (isFirst) => ({
      ...policy,
      ...this.#boot,
      mounts: [...policy.mounts, ...runtimeMounts(this.#options.runtime)],
      parked: isFirst ? Math.max(1, this.#options.parked) : 0,
    }));
  }

  begin(): void {
    // each step has a process of its own
  }

  settle(): void {
    // ditto
  }

  retire(): void {
    this.#retired = true;
    this.#over ??= this.#policies.releaseAll();
  }

  async destroy(): Promise<void> {
    this.retire();
    this.connection.hold();
    await this.#over;
    this.connection.letGo();
  }
}
