import type { SandboxError } from '../errors.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import type { Policy } from '../policy/policy.js';
import type { LivingSandbox, RunContext } from '../sandbox/living-sandbox.js';
import { announced } from '../sandbox/plans.js';
import type { DefinedPolicy } from '../spawner/policies.js';
import type { RunningStep } from '../step/running-step.js';
import type { ResolvedZygoteOptions } from './options.js';
import { planBootInside, planJobInside } from './plans.js';
import { notVisibleInside } from './visible-inside.js';

interface Held {
  readonly policy: Policy;
  readonly lease: DefinedPolicy;
}

/**
 * A zygote in sandboxes that live. None of its forks could enter one: that takes a right over the sandbox's user namespace, which lies beside
 * the zygote's and not below it. So the runtime is started in the sandbox itself, a process for each job, and there is always one more
 * than was asked for: the first job in a sandbox starts cold, those that follow find one that waits.
 */
export class Copies {
  readonly #options: ResolvedZygoteOptions;
  readonly #held = new Map<LivingSandbox, Held>();

  constructor(options: ResolvedZygoteOptions) {
    this.#options = options;
  }

  /**
   * @param refusal why the zygote takes no job
   * @throws SandboxError `ERR_INVALID_OPTION` or `ERR_SANDBOX_CLOSED`
   */
  spawn(
    sandbox: LivingSandbox,
    job: readonly Buffer[],
    options: SandboxOptions,
    { refusal, ...context }: Pick<RunContext, 'further' | 'steps'> & { readonly refusal: SandboxError | undefined },
  ): RunningStep {
    sandbox.refuseWhenOver();
    const plan = planJobInside(this.#options, job, sandbox.options, options);
    const error = refusal ?? notVisibleInside(this.#options.interpreter, plan.options.mounts);
    const policy = error === undefined ? this.#policyIn(sandbox) : plan.policy;
    // What the job is, only the zygote is told.
    const told = { file: this.#options.interpreter, args: [] };
    return sandbox.run(announced({ ...plan, policy }, sandbox.isStartHeard), options, { ...context, ...told, error });
  }

  /** From the first time on copies wait there, until the sandbox has ended or `dropAll()`. */
  #policyIn(sandbox: LivingSandbox): Policy {
    const known = this.#held.get(sandbox);
    if (known !== undefined) return known.policy;
    const policy = {
      ...sandbox.session.policy,
      ...planBootInside(this.#options, sandbox.options),
      parked: Math.max(1, this.#options.parked),
    };
    this.#held.set(sandbox, { policy, lease: sandbox.session.connection.lease(policy) });
    void sandbox.session.over.then(() => this.#drop(sandbox));
    return policy;
  }

  /** Resolves when none of those that wait is left. */
  async dropAll(): Promise<void> {
    await Promise.all([...this.#held.keys()].map((sandbox) => this.#drop(sandbox)));
  }

  async #drop(sandbox: LivingSandbox): Promise<void> {
    const held = this.#held.get(sandbox);
    if (held === undefined) return;
    this.#held.delete(sandbox);
    const { connection } = sandbox.session;
    connection.release(held.lease);
    connection.hold();
    await connection.retire(held.policy);
    connection.letGo();
  }
}
