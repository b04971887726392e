import { SandboxError } from '../errors.js';
import type { Policy } from '../policy/policy.js';
import type { Addon } from '../spawner/native.js';
import type { Connection, StepListener } from '../spawner/connection.js';
import type { Cause } from '../result.js';
import { CAUSES, type EndedMessage, type FrozeMessage, type LookedMessage } from '../spawner/messages.js';
import type { DefinedPolicy } from '../spawner/policies.js';
import { Overlays } from './overlays/overlays.js';
import { policyOfCommands, type SandboxPlan } from './plans.js';
import { trackStep, untrackStep } from '../spawner/shared.js';
import { TreeSocket } from './tree-socket.js';

const NO_PIPES = { stdin: false, stdout: false, stderr: false };
const SIGKILL = 9;
/** What an ext4 has beyond what was asked for. */
const DISK_SLACK = 4 * 2 ** 20;

/** Why a sandbox is no more. */
export interface SandboxEnd {
  /** `'destroyed'`, by the app or because it was lost; `'wallTimeout'`, `'cpuTimeout'` or `'idleTimeout'`, by a limit of the sandbox. */
  readonly cause: Cause;
  /** For how long it lived, in milliseconds. */
  readonly wallTimeMs: number;
}

/** `what` was to be done. */
export function sandboxIsOver(what: string): SandboxError {
  return new SandboxError('ERR_SANDBOX_CLOSED', `Cannot ${what} a sandbox that is over.`, {
    remedy: 'Make another by createSandbox().',
  });
}

/** A living sandbox as the spawner knows it: a step without a command. It keeps no app alive. */
export class Session implements StepListener {
  /** Resolves when commands can be run; rejects when it cannot be made. */
  readonly made: Promise<void>;
  /** Resolves when nothing is left of it. */
  readonly over: Promise<SandboxEnd>;
  readonly connection: Connection;
  readonly policy: Policy;
  /** What was written to its overlays, also after its end, until `forget()`. */
  readonly overlays: Overlays;
  readonly #tree: TreeSocket;
  /** `closeSpawner()` gives up what is held here, also after the end. */
  readonly #held = {
    destroy: () => {
      this.forget();
    },
  };
  readonly #stepId: number;
  /** Of a session that has failed at once, none. */
  #lease: DefinedPolicy | undefined;
  readonly #own: Policy;
  #begun!: () => void;
  #refused!: (error: Error) => void;
  #ended!: (end: SandboxEnd) => void;
  #hasBegun = false;
  #isOver = false;

  constructor(plan: SandboxPlan, connection: Connection, addon: Addon) {
    this.connection = connection;
    this.#tree = new TreeSocket(addon);
    const { mounts, scratchOnDisk } = plan.policy;
    const scratchBytes = plan.policy.scratchBytes + (scratchOnDisk ? DISK_SLACK : 0);
    // What is changed in this very millisecond may have been changed before.
    const since = BigInt(Date.now() + 1) * 1_000_000n;
    this.overlays = new Overlays(addon, { mounts, rules: plan.options.rules, since, scratchBytes }, (act) =>
      this.#tree.use(act),
    );
    this.made = new Promise((resolve, reject) => {
      this.#begun = resolve;
      this.#refused = reject;
    });
    this.made.catch(() => undefined);
    this.over = new Promise((resolve) => (this.#ended = resolve));
    this.#own = plan.policy;
    connection.hold();
    const file = Buffer.from('/');
    const { policy, settings } = plan;
    const further = [{ kind: 'treeSocket', descriptor: this.#tree.theirs } as const];
    this.#stepId = connection.start(
      { file, argv: [file], policy, settings, pipes: NO_PIPES, further, background: true },
      this,
    );
    this.policy = policyOfCommands(plan, this.#stepId);
    if (!this.#isOver) this.#lease = connection.lease(this.policy);
    void this.made
      .catch(() => undefined)
      .finally(() => {
        connection.letGo();
      });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  end(cause: 'destroyed' | 'idleTimeout'): void {
    this.connection.kill({ stepId: this.#stepId, cause: CAUSES.indexOf(cause), signal: SIGKILL, graceMs: 0 });
  }

  /** Nobody asks any more what was written. */
  forget(): void {
    untrackStep(this.#held);
    this.#tree.close();
  }

  /** `undefined` when it is over. */
  look(): Promise<LookedMessage | undefined> {
    return this.connection.look(this.#stepId);
  }

  /** `undefined` when it is over. */
  freeze(frozen: boolean): Promise<FrozeMessage | undefined> {
    return this.connection.freeze(this.#stepId, frozen);
  }

  // ------------------------------------------------------------ what the connection tells

  opened(): void {
    this.#tree.sent();
  }

  started(): void {
    this.#tree.receive();
    if (this.#tree.isHeld) trackStep(this.#held);
    this.#hasBegun = true;
    this.#begun();
  }

  ended({ cause, usage }: EndedMessage): void {
    this.#finish({ cause: CAUSES[cause] ?? 'destroyed', wallTimeMs: usage.wallNs / 1e6 });
  }

  failed(error: SandboxError): void {
    this.#refused(error);
    // What commands have written outlives a spawner that dies.
    if (!this.#hasBegun) this.forget();
    this.#finish({ cause: 'destroyed', wallTimeMs: 0 });
  }

  withdrawn(): void {
    this.forget();
    this.#finish({ cause: 'destroyed', wallTimeMs: 0 });
  }

  data(): void {
    // It has no pipes.
  }

  #finish(end: SandboxEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#refused(new SandboxError('ERR_SANDBOX_CLOSED', 'The sandbox was destroyed before it was made.'));
    if (this.#lease !== undefined) {
      this.connection.release(this.#lease);
      void this.connection.retire(this.policy);
    }
    void this.connection.retire(this.#own);
    this.#ended(end);
  }
}
