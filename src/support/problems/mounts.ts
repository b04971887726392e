import { constants } from 'node:os';
import { type Evidence, fact, failed, trial } from '../evidence.js';
import { hasProc, isReadOnly, masksOverProc, mountOf } from '../mountinfo.js';
import { unmaskRemedy } from '../remedies/proc.js';
import { refusedCalls } from './filter.js';
import { type Diagnosis, problem } from './problem.js';

/** Whether a new /proc is or will be mounted by somebody whom the masks concern: only the host's own CAP_SYS_ADMIN is exempt. */
function procTrial(evidence: Evidence): 'works' | 'refused' | 'untried' {
  const outcome = trial(evidence, 'procMount');
  if (outcome?.works === true) return 'works';
  const filtered = evidence.app.filtered && refusedCalls(evidence).length > 0;
  if (outcome === undefined || filtered) return 'untried';
  return failed(outcome, 'EPERM') ? 'refused' : 'works';
}

export const procMasked: Diagnosis = (evidence) => {
  const state = procTrial(evidence);
  const masks = masksOverProc(evidence.mounts);
  if (state === 'works' || masks.length === 0) return undefined;
  const { environment } = evidence;
  return problem('proc-masked', {
    severity: 'error',
    reason: `The kernel lets nobody without rights over the host mount a new /proc while something hides parts of the one that is there${
      state === 'untried' ? '; it could not be tried yet, because what stands above comes first' : ''
    }.`,
    evidence: [
      fact('mounting a procfs in a new pid namespace', trial(evidence, 'procMount')),
      `mounted below /proc: ${masks.join(', ')}`,
      ...environment.evidence,
    ],
    remedy: unmaskRemedy(environment.container),
    affects: ['mount', 'pid'],
  });
};

export const procNotMounted: Diagnosis = (evidence) => {
  if (procTrial(evidence) !== 'refused' || hasProc(evidence.mounts) || masksOverProc(evidence.mounts).length > 0)
    return undefined;
  return problem('proc-not-mounted', {
    severity: 'error',
    reason:
      'The kernel lets nobody without rights over the host mount a new /proc where there is no complete one to be seen already.',
    evidence: [
      fact('mounting a procfs in a new pid namespace', trial(evidence, 'procMount')),
      'no procfs is mounted whole at /proc',
    ],
    remedy: '# As root, in the mount namespace (or chroot) of the app:\nmount -t proc proc /proc',
    affects: ['mount', 'pid'],
  });
};

/** With rights over the host the maker mounts a /proc of its own in spite of masks; without them it writes in the one that is there. */
export const procSysReadOnly: Diagnosis = ({ mounts, selfTest, environment }) => {
  const settings = mountOf(mounts, '/proc/sys/user');
  if (selfTest.error?.errno !== constants.errno.EROFS || settings === undefined || !isReadOnly(settings))
    return undefined;
  return problem('proc-sys-read-only', {
    severity: 'error',
    reason:
      'Each sandbox forbids itself further namespaces by /proc/sys/user, which concerns nobody else; container engines mount it read-only.',
    evidence: [selfTest.error.message, `${settings.target} is mounted read-only`, ...environment.evidence],
    remedy: unmaskRemedy(environment.container),
    affects: ['user'],
  });
};

/** AppArmor answers EACCES where the kernel's own rules answer EPERM. */
export const apparmorContainer: Diagnosis = (evidence) => {
  const { app, settings, environment } = evidence;
  const confined = app.apparmor !== '' && !app.apparmor.startsWith('unconfined');
  const refused = (['mountNamespace', 'tmpfsMount', 'procMount', 'pivotRoot'] as const).find((name) =>
    failed(trial(evidence, name), 'EACCES'),
  );
  if (!confined || refused === undefined || settings.apparmorRestrictsUserns === 1) return undefined;
  return problem('apparmor-container', {
    severity: 'error',
    reason: `The AppArmor profile '${app.apparmor.replace(/ \(.*/, '')}', which confines the app, forbids mounting.`,
    evidence: [fact(refused, trial(evidence, refused)), `label of the app: ${app.apparmor}`, ...environment.evidence],
    remedy:
      environment.container === 'kubernetes'
        ? `spec:
  containers:
    - name: app
      securityContext:
        appArmorProfile:
          type: Unconfined`
        : `docker run --security-opt apparmor=unconfined IMAGE
# or a profile of your own that has, besides what docker-default has: mount, umount, pivot_root, userns,`,
    affects: ['mount'],
  });
};
