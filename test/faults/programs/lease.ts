/** Whom the host took a step for, and from when to when at least, in seconds since the machine was started. */
export interface Lease {
  readonly uids: readonly number[];
  readonly from: number;
  readonly to: number;
}
