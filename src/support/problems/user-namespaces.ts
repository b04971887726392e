import { type Evidence, fact } from '../evidence.js';
import type { ProbeOutcome } from '../probes.js';
import type { SupportProblem } from '../report.js';
import { apparmorRemedy } from '../remedies/apparmor.js';
import { refusedCalls } from './filter.js';
import { type Diagnosis, EVERYTHING_OF_NAMESPACES, problem } from './problem.js';

interface Trouble {
  readonly what: string;
  readonly errno: string;
}

/** What did not work on the way to a user namespace, if it was not a filter. */
function troubleOf(evidence: Evidence): Trouble | undefined {
  if (evidence.app.filtered && refusedCalls(evidence).length > 0) return undefined;
  const { outside, inside, failure } = evidence;
  return (
    trouble('unshare(CLONE_NEWUSER)', outside.userNamespace) ??
    trouble('writing /proc/self/uid_map', outside.uidMap) ??
    (failure?.layer === 'user'
      ? { what: 'entering the user namespace of the spawner', errno: failure.errno }
      : undefined) ??
    trouble('unshare(CLONE_NEWUSER) below the namespace of the spawner', inside.userNamespace) ??
    trouble('writing /proc/self/uid_map below it', inside.uidMap)
  );
}

function trouble(what: string, outcome: ProbeOutcome | undefined): Trouble | undefined {
  return outcome === undefined || outcome.works ? undefined : { what, errno: outcome.errno ?? '' };
}

interface Cause {
  readonly fits: (evidence: Evidence, trouble: Trouble) => boolean;
  readonly tell: (evidence: Evidence, trouble: Trouble) => SupportProblem;
}

const isRefusal = ({ errno }: Trouble): boolean => errno === 'EPERM' || errno === 'EACCES';
const isExhausted = ({ errno }: Trouble): boolean => errno === 'ENOSPC' || errno === 'EUSERS';

/** The first that fits is the cause; the last fits always. */
const CAUSES: readonly Cause[] = [
  {
    fits: ({ settings }, trouble) => isRefusal(trouble) && settings.apparmorRestrictsUserns === 1,
    tell: (evidence, trouble) => apparmor(evidence, `${trouble.what}: ${trouble.errno}`),
  },
  {
    fits: ({ settings }, trouble) => isRefusal(trouble) && settings.unprivilegedUsernsClone === 0,
    tell: (_, { what, errno }) =>
      missing('userns-sysctl', {
        reason: 'A setting of the kernel of Debian and others lets only root make user namespaces.',
        evidence: [`${what}: ${errno}`, '/proc/sys/kernel/unprivileged_userns_clone is 0'],
        remedy: persistentSysctl('kernel.unprivileged_userns_clone=1'),
      }),
  },
  {
    fits: ({ settings }, trouble) => isExhausted(trouble) && settings.maxNamespaces['user'] === 0,
    tell: (_, { what, errno }) =>
      missing('userns-disabled', {
        reason: 'The largest number of user namespaces is set to 0.',
        evidence: [`${what}: ${errno}`, '/proc/sys/user/max_user_namespaces is 0'],
        remedy: `${persistentSysctl('user.max_user_namespaces=15000')}
# Inside of a container it may be set for the container alone, and must be raised by whoever set it.`,
      }),
  },
  {
    fits: (_, trouble) => isExhausted(trouble),
    tell: ({ settings }, { what, errno }) =>
      missing('userns-limit', {
        reason:
          'User namespaces can be nested 32 deep, and each user may have only so many. One of the two limits, here or in a namespace above, is reached.',
        evidence: [
          `${what}: ${errno}`,
          `/proc/sys/user/max_user_namespaces is ${settings.maxNamespaces['user'] ?? 'not there'}`,
        ],
        remedy: `# How many there are now:
lsns -t user
# More of them, on the host and in every namespace above this one:
sudo sysctl -w user.max_user_namespaces=63000`,
      }),
  },
  {
    fits: (_, { errno }) => errno === 'EINVAL' || errno === 'ENOSYS',
    tell: ({ environment }, { what, errno }) =>
      missing('userns-missing', {
        reason:
          environment.container === 'gvisor'
            ? "gVisor's kernel does not do what sandboxes need of a user namespace."
            : 'The kernel was built without user namespaces (CONFIG_USER_NS).',
        evidence: [`${what}: ${errno}`, ...environment.evidence],
        remedy: 'Run the app on a kernel with CONFIG_USER_NS=y, as every general purpose distribution has it.',
      }),
  },
  {
    fits: ({ mounts }, trouble) =>
      isRefusal(trouble) && mounts.length > 0 && !mounts.some(({ target }) => target === '/'),
    tell: (_, { what, errno }) =>
      missing('userns-chroot', {
        reason:
          'The kernel lets nobody make a user namespace whose root directory is not the root of its mount namespace.',
        evidence: [`${what}: ${errno}`, 'no line of /proc/self/mountinfo is for /'],
        remedy: `# Instead of chroot DIRECTORY COMMAND, make it the root of a mount namespace:
sudo unshare --mount sh -c 'mount --rbind DIRECTORY DIRECTORY && cd DIRECTORY && mkdir -p .old && pivot_root . .old && umount -l .old && exec COMMAND'
# or bwrap, systemd-nspawn or a container engine.`,
      }),
  },
  {
    fits: ({ app }, trouble) =>
      isRefusal(trouble) && !app.uidMap.some(({ start, count }) => app.euid >= start && app.euid < start + count),
    tell: ({ app }, { what, errno }) =>
      missing('userns-unmapped', {
        reason: `The app runs as user ${app.euid}, which has no place in the id map of its user namespace.`,
        evidence: [`${what}: ${errno}`, `/proc/self/uid_map does not contain ${app.euid}`],
        remedy: 'Map the user when the namespace is made (newuidmap), or run the app as one that is mapped.',
      }),
  },
  {
    fits: () => true,
    tell: ({ settings, app, environment }, { what, errno }) =>
      missing('userns-refused', {
        reason:
          'The kernel refuses, and none of the usual causes is to be seen: no filter, no sysctl, no AppArmor restriction, no chroot. What is left is a security module.',
        evidence: [
          `${what}: ${errno}`,
          settings.lsms.length === 0 ? undefined : `security modules: ${settings.lsms.join(', ')}`,
          app.apparmor === '' ? undefined : `label: ${app.apparmor}`,
          ...environment.evidence,
        ],
        remedy: `# What refused it, as the kernel logged it:
sudo journalctl -k --since -5min | grep -iE 'denied|avc|audit|apparmor'
# SELinux (Fedora, RHEL): sudo ausearch -m avc -ts recent`,
      }),
  },
];

export const userNamespaces: Diagnosis = (evidence) => {
  const trouble = troubleOf(evidence);
  if (trouble === undefined) return undefined;
  return CAUSES.find(({ fits }) => fits(evidence, trouble))?.tell(evidence, trouble);
};

/** Ubuntu may also let the namespace be made, and take every capability in it. */
export const apparmorInside: Diagnosis = (evidence) => {
  const { settings, ready, inside } = evidence;
  if (settings.apparmorRestrictsUserns !== 1 || ready === undefined || ready.privileged) return undefined;
  const refused = (['mountNamespace', 'tmpfsMount', 'utsNamespace'] as const).find(
    (name) => inside[name]?.errno === 'EACCES' || inside[name]?.errno === 'EPERM',
  );
  return refused === undefined
    ? undefined
    : apparmor(evidence, fact(`${refused} in a new user namespace`, inside[refused]));
};

function apparmor({ app, spawnerPath }: Evidence, seen: string): SupportProblem {
  return missing('apparmor-userns', {
    reason:
      'Since Ubuntu 23.10, AppArmor takes from programs without a profile what they need of a user namespace. Root and programs with a profile that permits it are not concerned.',
    evidence: [
      seen,
      '/proc/sys/kernel/apparmor_restrict_unprivileged_userns is 1',
      app.apparmor === '' ? undefined : `label of the app: ${app.apparmor}`,
    ],
    remedy: apparmorRemedy(
      spawnerPath === '' ? '/path/to/node_modules/spawn-sandbox/native/build/spawner' : spawnerPath,
    ),
  });
}

function missing(
  code: SupportProblem['code'],
  details: { readonly reason: string; readonly evidence: readonly (string | undefined)[]; readonly remedy: string },
): SupportProblem {
  return problem(code, { severity: 'error', affects: EVERYTHING_OF_NAMESPACES, ...details });
}

function persistentSysctl(setting: string): string {
  return `echo '${setting}' | sudo tee /etc/sysctl.d/99-spawn-sandbox.conf
sudo sysctl --system`;
}
