import type { Layer } from '../../layers.js';
import { layerMask } from '../../layers.js';
import { errnoInWords } from '../errno-name.js';
import type { Evidence, Hierarchy } from '../evidence.js';
import type { SupportProblem } from '../report.js';
import { busyRemedy, delegateRemedy, delegateV1Remedy, writableCgroupRemedy } from '../remedies/cgroups.js';
import { type Diagnosis, problem } from './problem.js';

/** The controller behind each limit. */
const CONTROLLER = { memory: 'memory', processes: 'pids', cpu: 'cpu' } as const satisfies Partial<
  Record<Layer, string>
>;
type LimitLayer = keyof typeof CONTROLLER;
const LIMITS = Object.keys(CONTROLLER) as LimitLayer[];

/** Limits for which the spawner found no cgroup. Before it could look, all of them. */
function withoutCgroup({ ready }: Evidence): readonly LimitLayer[] {
  if (ready === undefined) return LIMITS;
  return LIMITS.filter((layer) => (ready.cgroupControllers & layerMask([layer])) === 0);
}

/** The hierarchy in which the limit would be: v2 only where v1 does not have the controller. */
function hierarchyOf({ hierarchies }: Evidence, layer: LimitLayer): Hierarchy | undefined {
  const holds = ({ controllers }: Hierarchy): boolean => controllers.includes(CONTROLLER[layer]);
  const unified = hierarchies.find(({ version }) => version === 2);
  const others = hierarchies.filter(({ version }) => version === 1);
  return others.find(holds) ?? (others.length === 0 ? unified : undefined);
}

interface Cause {
  readonly code: SupportProblem['code'];
  readonly fits: (hierarchy: Hierarchy, errno: string) => boolean;
  readonly reason: (hierarchy: Hierarchy) => string;
  readonly remedy: (evidence: Evidence, hierarchy: Hierarchy) => string;
}

const isRefusal = (errno: string): boolean => errno === 'EACCES' || errno === 'EPERM';

/** The first that fits is the cause. */
const CAUSES: readonly Cause[] = [
  {
    code: 'cgroup-read-only',
    fits: ({ readOnly, mkdir }, errno) => readOnly || mkdir === 'EROFS' || errno === 'EROFS',
    reason: () => 'Container engines mount the cgroup file system read-only, so nobody inside can set limits.',
    remedy: ({ environment }) => writableCgroupRemedy(environment.container),
  },
  {
    code: 'cgroup-v1-undelegated',
    fits: ({ version, mkdir = '' }) => version === 1 && isRefusal(mkdir),
    reason: () => 'With cgroup v1 the cgroups belong to root, unless somebody gave them to the app.',
    remedy: ({ app }) => delegateV1Remedy(app.user),
  },
  {
    code: 'cgroup-busy',
    fits: ({ version, processes, mkdir }, errno) =>
      version === 2 && (errno === 'EBUSY' || (mkdir === 'works' && processes > 0)),
    reason: ({ processes }) =>
      `A cgroup of v2 that holds processes cannot pass limits on to cgroups below it, and the app's own holds ${processes}. The spawner moves itself and the app aside, but nobody else.`,
    remedy: ({ environment, systemd }, { directory }) => busyRemedy(directory, environment.container, systemd),
  },
  {
    code: 'cgroup-undelegated',
    fits: ({ mkdir = '' }, errno) => isRefusal(mkdir) || isRefusal(errno),
    reason: () => "The app's cgroup belongs to root, so the app cannot make others below it.",
    remedy: ({ systemd, app }) => delegateRemedy(systemd, app.user),
  },
];

export const cgroups: Diagnosis = (evidence) => {
  const affects = withoutCgroup(evidence);
  const { ready, disabledControllers } = evidence;
  const reason = ready?.cgroupReason ?? '';
  if (affects.length === 0 || reason.startsWith('cgroupParent')) return undefined;
  const concerned = affects.filter((layer) => !disabledControllers.includes(CONTROLLER[layer]));
  const [first] = concerned;
  const hierarchy = first === undefined ? undefined : hierarchyOf(evidence, first);
  if (concerned.length === 0) return undefined;
  if (hierarchy === undefined) return noHierarchy(evidence, concerned);
  if (ready === undefined && !hierarchy.readOnly && (hierarchy.mkdir ?? 'works') === 'works') return undefined; // nobody has looked, and it may well do
  const errno = errnoInWords(reason) ?? '';
  const cause = CAUSES.find(({ fits }) => fits(hierarchy, errno));
  const facts = [
    reason === '' ? undefined : `the spawner: ${reason}`,
    `${hierarchy.directory} (cgroup v${hierarchy.version}) is mounted ${hierarchy.readOnly ? 'read-only' : 'writable'}`,
    hierarchy.mkdir === undefined ? undefined : `making a cgroup there: ${hierarchy.mkdir}`,
    hierarchy.version === 2 ? `its controllers: ${hierarchy.controllers.join(' ') || 'none'}` : undefined,
    `processes in it: ${hierarchy.processes}`,
  ];
  if (cause !== undefined) {
    return problem(cause.code, {
      severity: 'warning',
      reason: cause.reason(hierarchy),
      evidence: facts,
      remedy: cause.remedy(evidence, hierarchy),
      affects: concerned,
    });
  }
  return lacksController(hierarchy, concerned)
    ? notHandedDown(evidence, hierarchy, concerned, facts)
    : unusable(concerned, facts);
};

function lacksController({ controllers }: Hierarchy, layers: readonly LimitLayer[]): boolean {
  return layers.some((layer) => !controllers.includes(CONTROLLER[layer]));
}

function notHandedDown(
  { systemd, app }: Evidence,
  { controllers, directory }: Hierarchy,
  affects: readonly LimitLayer[],
  facts: readonly (string | undefined)[],
): SupportProblem {
  const absent = affects.map((layer) => CONTROLLER[layer]).filter((name) => !controllers.includes(name));
  return problem('cgroup-controller-missing', {
    severity: 'warning',
    reason: `The cgroups above ${directory} do not hand down ${absent.join(', ')}.`,
    evidence: facts,
    remedy: delegateRemedy(systemd, app.user),
    affects,
  });
}

function unusable(affects: readonly LimitLayer[], facts: readonly (string | undefined)[]): SupportProblem {
  return problem('cgroup-unusable', {
    severity: 'warning',
    reason: 'The spawner could not make a cgroup with these controllers, for the reason that the system gave.',
    evidence: facts,
    remedy:
      "Give the app a cgroup that it may manage, and name it: configureSpawner({ cgroupParent: '/sys/fs/cgroup/...' }).",
    affects,
  });
}

function noHierarchy({ environment, mounts }: Evidence, affects: readonly LimitLayer[]): SupportProblem {
  const mounted = mounts.filter(({ type }) => type === 'cgroup' || type === 'cgroup2').map(({ target }) => target);
  return problem('cgroup-not-mounted', {
    severity: 'warning',
    reason: `No cgroup file system with ${affects.map((layer) => CONTROLLER[layer]).join(', ')} is mounted where the app could see it.`,
    evidence: [
      mounted.length === 0
        ? 'no cgroup file system in /proc/self/mountinfo'
        : `cgroup file systems: ${mounted.join(', ')}`,
      ...environment.evidence,
    ],
    remedy:
      environment.container === 'gvisor'
        ? 'gVisor has no cgroup controllers inside. Accept the weaker form, or limit the container as a whole.'
        : 'As root: mount -t cgroup2 cgroup2 /sys/fs/cgroup',
    affects,
  });
}

export const cgroupParent: Diagnosis = (evidence) => {
  const reason = evidence.ready?.cgroupReason ?? '';
  if (!reason.startsWith('cgroupParent')) return undefined;
  return problem('cgroup-parent', {
    severity: 'warning',
    reason: 'The directory given as cgroupParent cannot hold the cgroups of sandboxes.',
    evidence: [`the spawner: ${reason}`],
    remedy: `It must be a cgroup of v2 that has memory, pids and cpu in cgroup.controllers, holds no process, and belongs to the app's user:
cat DIRECTORY/cgroup.controllers DIRECTORY/cgroup.procs; ls -ld DIRECTORY`,
    affects: withoutCgroup(evidence),
  });
};

export const controllerDisabled: Diagnosis = (evidence) => {
  const affects = withoutCgroup(evidence).filter((layer) => evidence.disabledControllers.includes(CONTROLLER[layer]));
  if (affects.length === 0) return undefined;
  const names = affects.map((layer) => CONTROLLER[layer]);
  return problem('cgroup-controller-disabled', {
    severity: 'warning',
    reason: `The kernel was booted without ${names.join(', ')}. Raspberry Pi OS does so with memory.`,
    evidence: names.map((name) => `/proc/cgroups: ${name} is not enabled`),
    remedy: `# Add to the kernel command line (/boot/firmware/cmdline.txt, or GRUB_CMDLINE_LINUX in /etc/default/grub), then reboot:
${names.map((name) => `cgroup_enable=${name}`).join(' ')}`,
    affects,
  });
};
