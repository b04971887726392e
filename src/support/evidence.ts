import type { IdRange, ReadyMessage } from '../spawner/messages.js';
import type { Layer } from '../layers.js';
import type { MountPoint } from './mountinfo.js';
import type { ProbeName, ProbeOutcome, Probes } from './probes.js';
import type { SelfTest, SupportEnvironment } from './report.js';

/**
 * All that the doctor knows. Problems and remedies are pure functions of it, so that any environment can be tested by
 * writing down what it looks like.
 */
export interface Evidence {
  readonly platform: string;
  readonly kernel: string;
  readonly spawnerPath: string;
  readonly app: AppEvidence;
  readonly environment: SupportEnvironment;
  /** Whether systemd is the init of this system. */
  readonly systemd: boolean;
  readonly settings: KernelSettings;
  readonly mounts: readonly MountPoint[];
  readonly hierarchies: readonly Hierarchy[];
  /** Cgroup controllers that `/proc/cgroups` lists as disabled. */
  readonly disabledControllers: readonly string[];
  readonly subordinate: Subordinate;
  /** Why there is no spawner to ask. */
  readonly broken?: { readonly code: string; readonly message: string; readonly remedy?: string };
  /** What the spawner said of itself. */
  readonly ready?: ReadyMessage;
  /** Why it could not be configured. */
  readonly failure?: ConfigureFailure;
  /** Tried with the app's own rights. */
  readonly outside: Probes;
  /** Tried where the spawner works. */
  readonly inside: Probes;
  readonly selfTest: SelfTest;
  /** Whether the options want it. */
  readonly coreScheduling?: boolean;
}

export interface AppEvidence {
  readonly euid: number;
  readonly user: string;
  /** Names of the effective capabilities. */
  readonly capabilities: readonly string[];
  readonly noNewPrivs: boolean;
  /** Whether a seccomp filter is over the app. */
  readonly filtered: boolean;
  /** The AppArmor label, as `'docker-default (enforce)'`. */
  readonly apparmor: string;
  readonly uidMap: readonly IdRange[];
  readonly groups: readonly number[];
}

/** A file that does not exist leaves its setting undefined. */
export interface KernelSettings {
  /** `/proc/sys/user/max_*_namespaces`, by the word that stands for the star. */
  readonly maxNamespaces: Readonly<Record<string, number>>;
  /** `/proc/sys/kernel/unprivileged_userns_clone`: Debian's. */
  readonly unprivilegedUsernsClone?: number;
  /** `/proc/sys/kernel/apparmor_restrict_unprivileged_userns`: Ubuntu's. */
  readonly apparmorRestrictsUserns?: number;
  /** `/sys/devices/system/cpu/smt/active`: whether there are cores with a second thread. */
  readonly coresAreShared?: boolean;
  /** `/sys/kernel/security/lsm`. */
  readonly lsms: readonly string[];
}

/** The app's own cgroup in one hierarchy. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** v1: those of the hierarchy; v2: those that the cgroup may hand down. */
  readonly controllers: readonly string[];
  readonly directory: string;
  readonly readOnly: boolean;
  /** The answer to making and removing a cgroup there; missing when there was no need to try. */
  readonly mkdir?: string;
  /** Processes in it. */
  readonly processes: number;
}

export interface Subordinate {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
  /** Whether `newuidmap` and `newgidmap` are there. */
  readonly programs: boolean;
  /** Whether they have a set-user-id bit, file capabilities, or the right to have neither. */
  readonly raised: boolean;
}

export interface ConfigureFailure {
  readonly stage: string;
  /** As `'EPERM'`; empty when the system gave no reason. */
  readonly errno: string;
  readonly path: string;
  readonly layer?: Layer;
}

/** What sandboxes are made with: as the spawner would try it. Undefined when nobody with the rights to could try. */
export function trial({ inside, outside, app }: Evidence, name: ProbeName): ProbeOutcome | undefined {
  return inside[name] ?? (app.capabilities.includes('CAP_SYS_ADMIN') ? outside[name] : undefined);
}

export function failed(outcome: ProbeOutcome | undefined, ...errnos: readonly string[]): boolean {
  if (outcome === undefined || outcome.works) return false;
  return errnos.length === 0 || errnos.includes(outcome.errno ?? '');
}

/** An outcome as a fact for people. */
export function fact(what: string, outcome: ProbeOutcome | undefined): string {
  if (outcome === undefined) return `${what}: could not be tried`;
  return `${what}: ${outcome.works ? 'works' : (outcome.errno ?? 'refused')}`;
}
