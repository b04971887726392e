import type { Policy } from '../policy/policy.js';
import type { Connection } from '../spawner/connection.js';

/** Where a zygote's steps come from. */
export interface StepSource {
  readonly connection: Connection;
  /** It can be asked for steps. */
  readonly usable: boolean;
  /** Steps that were asked for so far, of those that count for recycling. */
  readonly steps: number;
  /** Its memory when that was last looked at; 0 when it is not known. */
  readonly rssBytes: number;
  /** Those that it carries out now, as they would be for commands. */
  readonly policies: Iterable<Policy>;
  /** The policy, to be carried out here; what waits for the same at the one before is taken over. */
  policyFor(policy: Policy, before?: StepSource): Policy;
  /** A step was started. */
  begin(): void;
  /** A step has its result. */
  settle(): void;
  /** Takes no more steps, and ends with the last that there are. */
  retire(): void;
  /** Ends it now. Resolves when nothing of it is left. */
  destroy(): Promise<void>;
}
