/** The messages of proto/control.proto as the codec takes and gives them. Paths and the like are bytes on the wire and text here. */

export const MOUNT_KIND = {
  readOnly: 0,
  writable: 1,
  directory: 2,
  file: 3,
  symlink: 4,
  scratch: 5,
  device: 6,
  proc: 7,
  overlay: 8,
  root: 9,
} as const;

export interface MountMessage {
  readonly kind: number;
  readonly source?: Buffer;
  readonly target: Buffer;
  readonly content?: Buffer;
  readonly mode?: number;
  readonly optional?: boolean;
  readonly noExec?: boolean;
  readonly asOwner?: boolean;
}

/** What of the mounted directories is hidden, or else cannot be written. */
export interface RuleMessage {
  readonly pattern: Buffer;
  /** So many bytes of the pattern are a path as it is. */
  readonly literal: number;
  readonly hide: boolean;
  readonly mustExist: boolean;
}

export interface DefineMessage {
  readonly policyId: number;
  readonly mounts: readonly MountMessage[];
  readonly uid: number;
  readonly gid: number;
  readonly hostname: Buffer;
  readonly baseFilter: Uint8Array;
  readonly stepFilter: Uint8Array;
  readonly stepFilterNotifies: boolean;
  readonly scratchBytes: number;
  readonly scratchInodes: number;
  readonly scratchOnDisk: boolean;
  readonly hostNetwork: boolean;
  readonly require: number;
  readonly allowWeaker: number;
  readonly allowMissing: number;
  readonly cover: readonly Buffer[];
  readonly reuseNet: boolean;
  readonly reuseUser: boolean;
  /** No step can use a keyring. */
  readonly keyless: boolean;
  /** Its steps are zygotes. */
  readonly zygote?: boolean;
  /** The step that is the zygote by which these steps are forked. */
  readonly below?: number;
  /** Steps kept confined and waiting. */
  readonly parked?: number;
  /** An encoded Start, executed as soon as a step is confined; the program then takes the step's job by itself. */
  readonly boot?: Uint8Array;
  /** What that program finds as stdin. */
  readonly bootInput?: Uint8Array;
  /** The policy whose waiting steps this one takes over. */
  readonly replaces?: number;
  /** Its steps are sessions: sandboxes that live. */
  readonly session?: boolean;
  readonly rules?: readonly RuleMessage[];
  /** Another one, encoded, in its place where namespaces cannot be had. */
  readonly portable?: Uint8Array;
  /** The step that is the session in which these steps run. */
  readonly within?: number;
  /** Each sandbox has terminals of its own. */
  readonly terminal: boolean;
  /** Nothing else runs on other threads of a core while a step does. */
  readonly coreScheduling: boolean;
}

export const STDIO = { nullDevice: 0, pipe: 1 } as const;

export const FURTHER_KIND = { pipe: 0, file: 1, readOnlyFile: 2, treeSocket: 3 } as const;
/** Of one step; the spawner refuses more. */
export const MOST_FURTHER = 32;

export const BUILTIN = { none: 0, files: 1 } as const;

/** 0 always means: no limit. */
export interface LimitsMessage {
  readonly memoryBytes: number;
  readonly processes: number;
  readonly cpuTimeMs: number;
  readonly milliCpus: number;
  readonly wallTimeMs: number;
  readonly fileSizeBytes: number;
  readonly openFiles: number;
}

/** Both from 1 to 65535. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The part of `Start` that is the same for every step with equal options. */
export interface StartSettings {
  readonly env: readonly Buffer[];
  readonly cwd: Buffer;
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  readonly limits: LimitsMessage;
  readonly announce: boolean;
  /** A command of the library's own, instead of a program. @default none */
  readonly builtin?: number;
  /** What outlives the main process of a session's command stays. @default false */
  readonly keepBackground?: boolean;
  /** In place of stdin, stdout and stderr. */
  readonly terminal?: TerminalSize;
}

/** The part of `Start` that differs from step to step. */
export interface StartCommand {
  readonly stepId: number;
  readonly policyId: number;
  readonly file: Buffer;
  readonly argv: readonly Buffer[];
  /** Kinds of what it has open besides stdin, stdout and stderr. */
  readonly further?: readonly number[];
}

export interface IdRange {
  readonly start: number;
  readonly count: number;
}

export interface ConfigureMessage {
  readonly stateDirectory: Buffer;
  readonly uidStart: number;
  readonly uidCount: number;
  readonly cgroupParent: Buffer;
  readonly pool: number;
  readonly maxConcurrent: number;
  readonly queueTimeoutMs: number;
  readonly subordinateUids: readonly IdRange[];
  readonly subordinateGids: readonly IdRange[];
  readonly instance: number;
  readonly idleMs: number;
  readonly idleMakers: number;
  readonly scratchDirectory: Buffer;
  /** It stays where no user namespace can be had, for policies that do without. */
  readonly portable: boolean;
}

/** `Cause` of the protocol, by number. */
export const CAUSES = [
  'exit',
  'signal',
  'oom',
  'wallTimeout',
  'cpuTimeout',
  'idleTimeout',
  'outputLimit',
  'invalidOutput',
  'seccomp',
  'aborted',
  'killed',
  'destroyed',
] as const;

export interface KillMessage {
  readonly stepId: number;
  readonly cause: number;
  readonly signal: number;
  readonly graceMs: number;
}

export interface ReadyMessage {
  readonly privileged: boolean;
  readonly leasesIdentity: boolean;
  readonly cgroupVersion: number;
  readonly cgroupReason: string;
  readonly cgroupControllers: number;
  readonly pid: number;
}

export interface EvidenceMessage {
  readonly oomKills: number;
  readonly memoryLimitBytes: number;
  readonly processLimitHits: number;
  readonly memoryLimitHits: number;
  readonly killedProcesses: number;
  readonly seccompSyscall: number;
  readonly seccompArch: number;
  readonly mainExitedFirst: boolean;
  readonly killSignal: number;
  readonly limitMs: number;
  readonly memoryWatched: boolean;
  readonly scratchFull: boolean;
}

export interface UsageMessage {
  readonly queueNs: number;
  readonly wallNs: number;
  readonly userCpuNs: number;
  readonly systemCpuNs: number;
  readonly peakMemoryBytes: number;
  readonly peakProcesses: number;
}

/** 0: not known, but for times. */
export interface LookedMessage {
  readonly lookId: number;
  /** The session is there. */
  readonly found: boolean;
  readonly wallNs: number;
  readonly userCpuNs: number;
  readonly systemCpuNs: number;
  readonly memoryBytes: number;
  readonly peakMemoryBytes: number;
  readonly processes: number;
  readonly commands: readonly CommandUsageMessage[];
}

export interface CommandUsageMessage {
  readonly stepId: number;
  readonly wallNs: number;
  readonly userCpuNs: number;
  readonly systemCpuNs: number;
  readonly memoryBytes: number;
  readonly processes: number;
  /** Its main process has ended. */
  readonly background: boolean;
}

export interface FrozeMessage {
  readonly freezeId: number;
  /** The session is there. */
  readonly found: boolean;
  /** Why it could not be done; 0: it was. */
  readonly errno: number;
  readonly bySignals: boolean;
}

export interface EndedMessage {
  readonly stepId: number;
  readonly notStarted: boolean;
  readonly exitCode: number;
  readonly signal: number;
  readonly cause: number;
  readonly scope: number;
  readonly evidence: EvidenceMessage;
  readonly usage: UsageMessage;
  /** `State` and `By` of each layer, in order; nothing of a step that was not started. */
  readonly enforced: Uint8Array;
}

/** `Stage` of the protocol, by number. */
export const STAGES = [
  'protocol',
  'configure',
  'queueTimeout',
  'resources',
  'maker',
  'mountSource',
  'mountTarget',
  'layer',
  'workDirectory',
  'commandNotFound',
  'commandNotExecutable',
  'execLimits',
  'lost',
  'cgroupLimit',
  'unknownPolicy',
  'observation',
  'watch',
  'zygote',
  'notTaken',
  'further',
  'session',
  'rule',
  'scratch',
] as const;
export type Stage = (typeof STAGES)[number];

/** `By` of the protocol, by number. */
export const BY = [
  'unspecified',
  'namespace',
  'cgroup v1',
  'cgroup v2',
  'rlimit',
  'watched',
  'leased id',
  'shared id',
  'kept groups',
  'filter',
  'kernel lacks it',
  'no writable cgroup',
  'host network',
  'process status',
  'no namespaces',
  'needs namespaces',
  'kept bounding set',
  'not asked for',
  'core cookie',
  'whole cores',
] as const;
export type By = (typeof BY)[number];

export interface FailedMessage {
  readonly stepId: number;
  readonly stage: number;
  readonly errno: number;
  readonly path: Uint8Array;
  readonly layer: number;
  readonly by: number;
}

export interface ProbeResultMessage {
  readonly what: number;
  readonly works: boolean;
  readonly errno: number;
  readonly value: number;
}

export interface ProbedMessage {
  readonly probeId: number;
  readonly results: readonly ProbeResultMessage[];
}

export type Reply =
  | { readonly kind: 'ready'; readonly ready: ReadyMessage }
  | { readonly kind: 'started'; readonly stepId: number }
  | { readonly kind: 'ended'; readonly ended: EndedMessage }
  | { readonly kind: 'failed'; readonly failed: FailedMessage }
  | { readonly kind: 'probed'; readonly probed: ProbedMessage }
  | { readonly kind: 'forgotten'; readonly policyId: number }
  | { readonly kind: 'looked'; readonly looked: LookedMessage }
  | { readonly kind: 'froze'; readonly froze: FrozeMessage }
  | { readonly kind: 'warm'; readonly stepId: number; readonly words: Uint8Array; readonly rssBytes: number };
