import type { ProbeResultMessage } from '../spawner/messages.js';
import { errnoName } from './errno-name.js';
import type { SupportProbe } from './report.js';

/** `ProbeResult.What` of the protocol, by number. */
export const PROBES = [
  'userNamespace',
  'uidMap',
  'pidNamespace',
  'mountNamespace',
  'netNamespace',
  'ipcNamespace',
  'utsNamespace',
  'cgroupNamespace',
  'procMount',
  'tmpfsMount',
  'pivotRoot',
  'seccompFilter',
  'seccompNotify',
  'landlock',
  'cgroupMemory',
  'cgroupPids',
  'cgroupCpu',
  'clone3',
  'pidfd',
  'idLease',
  'idmappedMount',
  'coreScheduling',
  'newuidmap',
  'call:unshare',
  'call:clone',
  'call:setns',
  'call:mount',
  'call:umount2',
  'call:pivot_root',
  'call:fsopen',
  'call:fsconfig',
  'call:fsmount',
  'call:move_mount',
  'call:open_tree',
  'call:mount_setattr',
  'call:sethostname',
  'call:keyctl',
] as const;

/** One thing that the spawner tries out. Those with `call:` ask whether a system call reaches the kernel. */
export type ProbeName = (typeof PROBES)[number];

export interface ProbeOutcome {
  readonly works: boolean;
  /** As `'EPERM'`. */
  readonly errno?: string;
  readonly value?: number;
}

/** What was tried; what was not is missing. */
export type Probes = Readonly<Partial<Record<ProbeName, ProbeOutcome>>>;

/** Landlock's version; how many sandboxes can have an identity of their own. */
const WITH_VALUE: readonly ProbeName[] = ['landlock', 'idLease'];

export function toProbes(results: readonly ProbeResultMessage[]): Probes {
  const entries = results.flatMap(({ what, works, errno, value }) => {
    const name = PROBES[what];
    if (name === undefined) return [];
    const told = WITH_VALUE.includes(name) ? { value } : {};
    const outcome: ProbeOutcome = works ? { works, ...told } : { works, errno: errnoName(errno) };
    return [[name, outcome] as const];
  });
  return Object.fromEntries(entries);
}

export function listProbes(probes: Probes, where: SupportProbe['where']): readonly SupportProbe[] {
  return PROBES.flatMap((probe) => {
    const outcome = probes[probe];
    return outcome === undefined ? [] : [{ probe, where, ...outcome }];
  });
}
