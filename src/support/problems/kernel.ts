import type { Layer } from '../../layers.js';
import { type Evidence, fact, failed, trial } from '../evidence.js';
import type { ProbeName } from '../probes.js';
import { probeOf, unknownCalls } from './filter.js';
import { type Diagnosis, problem } from './problem.js';

/** The layer for which each namespace stands, and the word for it in `/proc/sys/user/max_*_namespaces`. */
const NAMESPACES = [
  { probe: 'pidNamespace', layer: 'pid', word: 'pid' },
  { probe: 'mountNamespace', layer: 'mount', word: 'mnt' },
  { probe: 'netNamespace', layer: 'net', word: 'net' },
  { probe: 'ipcNamespace', layer: 'ipc', word: 'ipc' },
  { probe: 'utsNamespace', layer: 'uts', word: 'uts' },
  { probe: 'cgroupNamespace', layer: 'cgroup', word: 'cgroup' },
] as const satisfies readonly {
  readonly probe: ProbeName;
  readonly layer: Layer;
  readonly word: string;
}[];

export const namespaceLimit: Diagnosis = (evidence) => {
  const full = NAMESPACES.filter(({ probe }) => failed(trial(evidence, probe), 'ENOSPC'));
  if (full.length === 0) return undefined;
  const settings = full.map(({ word }) => ({
    name: `max_${word}_namespaces`,
    now: evidence.settings.maxNamespaces[word],
  }));
  return problem('namespace-limit', {
    severity: 'error',
    reason: `No more namespaces of the kind ${full.map(({ word }) => word).join(', ')} may be made.`,
    evidence: settings.map(({ name, now }, index) => {
      const tried = full[index];
      return `/proc/sys/user/${name} is ${now ?? 'not there'}${tried === undefined ? '' : `; ${fact(tried.probe, trial(evidence, tried.probe))}`}`;
    }),
    remedy: settings.map(({ name }) => `sudo sysctl -w user.${name}=15000`).join('\n'),
    affects: full.map(({ layer }) => layer),
  });
};

/** Where no filter is over the app, an unknown system call or namespace is the kernel's own answer. */
export const kernelLacks: Diagnosis = (evidence) => {
  const calls = unknownCalls(evidence).filter((call) => isUnknown(evidence, call));
  const kinds = NAMESPACES.filter(({ probe }) => failed(trial(evidence, probe), 'EINVAL', 'ENOSYS'));
  if (calls.length === 0 && kinds.length === 0) return undefined;
  const lacking = [...calls, ...kinds.map(({ word }) => `${word} namespaces`)];
  return problem('kernel-lacks', {
    severity: 'error',
    reason: `The kernel${evidence.environment.container === 'gvisor' ? ' of gVisor' : ''} does not have ${lacking.join(', ')}.`,
    evidence: [
      ...calls.map((call) => `${call}: ENOSYS`),
      ...kinds.map(({ probe }) => fact(probe, trial(evidence, probe))),
      `kernel ${evidence.kernel}`,
    ],
    remedy:
      evidence.environment.container === 'gvisor'
        ? 'Run the app in a container with the host kernel (runtime runc), or in a virtual machine.'
        : 'Use a kernel of 5.15 or later, built with namespaces as general purpose distributions build it.',
    affects: calls.length > 0 ? ['mount', ...kinds.map(({ layer }) => layer)] : kinds.map(({ layer }) => layer),
  });
};

function isUnknown({ outside }: Evidence, call: string): boolean {
  return failed(outside[probeOf(call)], 'ENOSYS');
}

export const seccompMissing: Diagnosis = (evidence) => {
  const outcome = evidence.inside.seccompFilter ?? evidence.outside.seccompFilter;
  if (!failed(outcome)) return undefined;
  return problem('seccomp-missing', {
    severity: 'error',
    reason: 'The kernel takes no seccomp filter.',
    evidence: [fact('seccomp(SECCOMP_SET_MODE_FILTER)', outcome), `kernel ${evidence.kernel}`],
    remedy: 'Use a kernel with CONFIG_SECCOMP_FILTER=y; in a container, let seccomp and prctl through its own filter.',
    affects: ['seccomp'],
  });
};

export const seccompNotify: Diagnosis = (evidence) => {
  const outcome = evidence.inside.seccompNotify ?? evidence.outside.seccompNotify;
  if (!failed(outcome) || failed(evidence.inside.seccompFilter ?? evidence.outside.seccompFilter)) return undefined;
  const taken = failed(outcome, 'EBUSY');
  return problem('seccomp-notify-missing', {
    severity: 'note',
    reason: taken
      ? 'Somebody else listens to the system calls of the app already, and the kernel allows one listener only. Rules with the verdict kill cannot be kept.'
      : 'The kernel cannot report system calls (before 5.0). Rules with the verdict kill cannot be kept.',
    evidence: [fact('a seccomp filter with a listener', outcome), `kernel ${evidence.kernel}`],
    remedy: taken
      ? "Run the app outside of the tool that supervises it, or use a system call policy without 'kill'."
      : "Use a kernel of 5.0 or later, or a system call policy without 'kill'.",
    affects: [],
  });
};

export const landlockMissing: Diagnosis = (evidence) => {
  const outcome = evidence.inside.landlock ?? evidence.outside.landlock;
  if (!failed(outcome)) return undefined;
  const off = failed(outcome, 'EOPNOTSUPP');
  const { lsms } = evidence.settings;
  return problem('landlock-missing', {
    severity: 'note',
    reason: `${off ? 'Landlock is built into the kernel and switched off.' : 'The kernel has no Landlock (5.13 and later have it), or a filter hides it.'} It only repeats what the mount namespace does, so nothing is asked of it by default.`,
    evidence: [
      fact('landlock_create_ruleset', outcome),
      lsms.length === 0 ? undefined : `/sys/kernel/security/lsm: ${lsms.join(',')}`,
    ],
    remedy: off
      ? `# Add landlock to the security modules on the kernel command line, then reboot:
lsm=landlock,${lsms.length === 0 ? 'lockdown,yama,integrity,apparmor,bpf' : lsms.join(',')}`
      : 'Use a kernel of 5.13 or later with CONFIG_SECURITY_LANDLOCK=y.',
    affects: ['landlock'],
  });
};

export const coreSchedulingMissing: Diagnosis = ({ coreScheduling, settings, inside, outside }) => {
  const outcome = inside.coreScheduling ?? outside.coreScheduling;
  if (coreScheduling !== true || settings.coresAreShared === false || !failed(outcome)) return undefined;
  return problem('core-scheduling-missing', {
    severity: 'error',
    reason:
      'The options ask that nothing shares a core with a step, and the kernel has no core scheduling (5.14 and later have it), or a filter hides it.',
    evidence: [
      fact('prctl(PR_SCHED_CORE)', outcome),
      `/sys/devices/system/cpu/smt/active is ${settings.coresAreShared === undefined ? 'not there' : '1'}`,
    ],
    remedy: `echo off | sudo tee /sys/devices/system/cpu/smt/control     # until the next start
# or a kernel of 5.14 or later with CONFIG_SCHED_CORE=y.`,
    affects: ['coreScheduling'],
  });
};

export const idmappedMounts: Diagnosis = ({ ready, inside }) => {
  // It takes a user namespace, whose absence is a problem of its own.
  if (ready?.privileged !== true || !failed(inside.idmappedMount) || failed(inside.uidMap)) return undefined;
  return problem('idmapped-mount-missing', {
    severity: 'note',
    reason:
      'Writable host directories are mounted so that what a step writes belongs to their owner. The kernel or the file system of /tmp cannot do that; other file systems may.',
    evidence: [fact('an id-mapped mount of /tmp', inside.idmappedMount)],
    remedy: 'Use a kernel of 5.12 or later (6.3 for tmpfs), and ext4, xfs, btrfs or tmpfs for filesystem.writable.',
    affects: [],
  });
};
