/** What was read of the host; what decides about it never looks itself. */
export interface AuditEvidence {
  readonly isRoot: boolean;
  /** `/sys/devices/system/cpu/smt/active`; nothing where the kernel does not say. */
  readonly smtActive: boolean | undefined;
  readonly processors: number;
  /** Lines of `/sys/devices/system/cpu/vulnerabilities`, by name. */
  readonly vulnerabilities: ReadonlyMap<string, string>;
  /** Files of `/proc/sys`, by path below it; those that are not there are missing. */
  readonly settings: ReadonlyMap<string, string>;
  /** Files that hold secrets by their names, and that everybody may read by way of every directory above. */
  readonly readableSecrets: readonly string[];
  /** Sockets of services that give root away, and that everybody may write. */
  readonly writableSockets: readonly string[];
  /** What the app runs or reads, and everybody may change, or replace by way of a directory above. */
  readonly writablePaths: readonly string[];
  /** Addresses of cloud metadata that accept connections. */
  readonly metadata: readonly string[];
  /** What listens, as `127.0.0.1:5432`. */
  readonly listeners: readonly string[];
}
