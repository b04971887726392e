import type { Evidence } from '../evidence.js';
import type { ProbeName, Probes } from '../probes.js';
import { filterRemedy } from '../remedies/filter.js';
import { type Diagnosis, EVERYTHING_OF_NAMESPACES, problem } from './problem.js';

/** A filter answers with these, or ends the process (EIO: it could not say). The kernel has other answers to these calls. */
const REFUSALS = ['EPERM', 'EACCES', 'ENOSYS', 'EIO'];

/** The kernel looks at rights before arguments here, so a refusal tells of a filter only where there are rights. */
const NEED_RIGHTS: readonly ProbeName[] = [
  'call:pivot_root',
  'call:fsopen',
  'call:fsmount',
  'call:move_mount',
  'call:sethostname',
];

/** System calls that do not reach the kernel, by name. */
export function refusedCalls({ outside }: Evidence): readonly string[] {
  const trusted = outside.uidMap?.works === true;
  const calls = Object.entries(outside).filter(([name, { works, errno = '' }]) => {
    if (works || !(name.startsWith('call:') || name === 'clone3') || !REFUSALS.includes(errno)) return false;
    return trusted || !NEED_RIGHTS.includes(name as ProbeName);
  });
  return calls.map(([name]) => name.replace('call:', ''));
}

/** Those that fail because the kernel does not have them: without a filter nobody else answers ENOSYS. */
export function unknownCalls(evidence: Evidence): readonly string[] {
  return evidence.app.filtered ? [] : refusedCalls(evidence);
}

export const seccompFilter: Diagnosis = (evidence) => {
  const { app, environment, systemd, outside } = evidence;
  const refused = refusedCalls(evidence);
  if (!app.filtered || refused.length === 0) return undefined;
  const works = evidence.selfTest.ok;
  return problem('seccomp-filter', {
    // A plain sandbox does not need each of them: writable directories and sessions need more.
    severity: works ? 'warning' : 'error',
    reason: `A seccomp filter over the app answers ${refused.join(', ')} before the kernel does${
      works ? ', which will be missed with filesystem.writable or in sessions' : ''
    }. ${whose(evidence)}`,
    evidence: ['Seccomp: 2 in /proc/self/status', ...answersTo(refused, outside), ...environment.evidence],
    remedy: filterRemedy(environment.container, systemd),
    affects: works ? [] : EVERYTHING_OF_NAMESPACES,
  });
};

/** One fact for each answer: the kernel itself would have answered otherwise. */
function answersTo(calls: readonly string[], outside: Probes): readonly string[] {
  const answers = calls.map((call) => ({
    call,
    errno: outside[probeOf(call)]?.errno ?? 'refused',
  }));
  return [...new Set(answers.map(({ errno }) => errno))].map((answer) => {
    const same = answers.filter(({ errno }) => errno === answer).map(({ call }) => call);
    return `${same.join(', ')}: ${answer}, although the kernel has another answer to what was asked`;
  });
}

/** The probe that asks for a system call. */
export function probeOf(call: string): ProbeName {
  return call === 'clone3' ? call : (`call:${call}` as ProbeName);
}

function whose({ environment, systemd }: Evidence): string {
  switch (environment.container) {
    case 'docker':
    case 'podman':
    case 'kubernetes':
      return `The default filter of ${NAMES[environment.container]} does so where a container lacks CAP_SYS_ADMIN.`;
    case undefined:
      return systemd ? 'systemd puts one over a service that asks for it.' : 'Whoever started the app put it there.';
    default:
      return 'What the app runs in put it there.';
  }
}

const NAMES = {
  docker: 'Docker',
  podman: 'Podman',
  kubernetes: 'Kubernetes',
} as const;
