/** What `spawn-sandbox doctor --audit` may find, by code; the codes are stable, the titles are not. */
export const FINDINGS = {
  'smt-active': 'processors share their cores',
  'cpu-vulnerable': 'the processor has holes that nothing closes',
  'secret-readable': 'a secret is readable by everybody',
  'socket-writable': 'everybody may talk to a service that is as good as root',
  'code-writable': 'everybody may change what the app runs or reads',
  'metadata-reachable': 'credentials of the cloud are one request away',
  'services-reachable': 'services listen where steps with the network of the host are',
  'ptrace-unrestricted': 'processes of one user may trace each other',
  'bpf-unprivileged': 'everybody may load programs into the kernel',
  'core-handler': 'crashes are handed to a program with all rights',
  'addresses-not-random': 'addresses are not random',
  'kernel-addresses-shown': 'addresses of the kernel are shown',
  'log-readable': 'everybody may read the log of the kernel',
  'links-unprotected': 'links in shared directories are followed',
} as const;
export type FindingCode = keyof typeof FINDINGS;

/** Most severe first. `note`: worth knowing, with nothing to mend. */
export const SEVERITIES = ['high', 'medium', 'low', 'note'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One thing of this host that makes a sandbox worth less than it is. */
export interface Finding {
  readonly code: FindingCode;
  readonly title: string;
  readonly severity: Severity;
  /** What it means for steps. */
  readonly reason: string;
  /** The facts, a line each. */
  readonly evidence: readonly string[];
  /** What to do; several lines, to be copied. */
  readonly remedy: string;
}

export interface AuditReport {
  readonly findings: readonly Finding[];
  /** What was looked at, so that nothing found is not taken for nothing looked for. */
  readonly looked: readonly string[];
}

/** Whether something is at least as severe as that. */
export function isAtLeast(finding: Finding, level: Severity): boolean {
  return SEVERITIES.indexOf(finding.severity) <= SEVERITIES.indexOf(level);
}
