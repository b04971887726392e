import { NEEDED_CAPABILITIES } from '../capabilities.js';
import type { Evidence } from '../evidence.js';
import { INSTALL_UIDMAP, subordinateRemedy } from '../remedies/identities.js';
import { type Diagnosis, problem } from './problem.js';

/** As long as nothing is known, an identity per sandbox is taken to be possible. */
function leases({ ready, inside }: Evidence): boolean {
  return ready?.leasesIdentity ?? inside.idLease?.works ?? false;
}

const SHARED =
  'the steps have the user id of the app on the host, and could act on its files and processes if another layer failed.';

export const capabilitiesMissing: Diagnosis = ({ app, ready, environment }) => {
  if (app.euid !== 0 || ready?.privileged === true) return undefined;
  const absent = NEEDED_CAPABILITIES.filter((name) => !app.capabilities.includes(name));
  if (absent.length === 0) return undefined;
  return problem('capabilities-missing', {
    severity: 'warning',
    reason: `The app is root without ${absent.join(', ')}, so it is confined like an ordinary user: ${SHARED}`,
    evidence: ['CapEff in /proc/self/status', ...environment.evidence],
    remedy: `# Either run the app as an ordinary user, for whom that is accepted by default:
docker run --user 1000:1000 IMAGE        # Kubernetes: securityContext: { runAsUser: 1000 }
# or accept it: { allowWeaker: ['uid', 'groups', 'memory', 'processes', 'cpu'] }
# or, where root of the container is not root of the host (hostUsers: false, userns-remap, rootless), add the capabilities:
docker run ${absent.map((name) => `--cap-add ${name.replace('CAP_', '')}`).join(' ')} IMAGE`,
    affects: ['uid', 'groups'],
  });
};

export const leaseImpossible: Diagnosis = (evidence) => {
  const { app, ready } = evidence;
  if (ready?.privileged !== true || leases(evidence)) return undefined;
  const ids = app.uidMap.reduce((sum, { count }) => sum + count, 0);
  return problem('uid-lease-impossible', {
    severity: 'error',
    reason: `Each sandbox gets a user id that nobody else has, and of the ${ids} in this user namespace too few are free of accounts and of /etc/subuid.`,
    evidence: [
      `/proc/self/uid_map: ${app.uidMap.map(({ start, count }) => `${count} from ${start}`).join(', ') || 'empty'}`,
    ],
    remedy: `Give the container more ids (65536 at least; a range in /etc/subuid of the user who starts it), or name a range that is free:
configureSpawner({ uidRange: { start: 20000, count: 1000 } })`,
    affects: ['uid'],
  });
};

/** An ordinary user gets identities by newuidmap only. */
function ordinary({ app, ready }: Evidence): boolean {
  return app.euid !== 0 && ready?.privileged !== true;
}

export const newuidmapMissing: Diagnosis = (evidence) => {
  if (!ordinary(evidence) || leases(evidence) || evidence.subordinate.programs) return undefined;
  return problem('newuidmap-missing', {
    severity: 'warning',
    reason: `Without newuidmap an ordinary user has no other user id to give: ${SHARED}`,
    evidence: ['/usr/bin/newuidmap or /usr/bin/newgidmap does not exist'],
    remedy: INSTALL_UIDMAP,
    affects: ['uid', 'groups'],
  });
};

export const subuidMissing: Diagnosis = (evidence) => {
  const { subordinate, app } = evidence;
  const has = subordinate.uids.length > 0 && subordinate.gids.length > 0;
  if (!ordinary(evidence) || leases(evidence) || has) return undefined;
  const without = [
    subordinate.uids.length === 0 ? '/etc/subuid' : '',
    subordinate.gids.length === 0 ? '/etc/subgid' : '',
  ];
  const files = without.filter((file) => file !== '');
  return problem('subuid-missing', {
    severity: 'warning',
    reason: `Nobody gave ${app.user} a range of ids of its own: ${SHARED}`,
    evidence: files.map((file) => `${file} has no line for ${app.user}`),
    remedy: subordinateRemedy(app.user),
    affects: ['uid', 'groups'],
  });
};

export const newuidmapFailed: Diagnosis = (evidence) => {
  const { subordinate, app, ready } = evidence;
  const ought = subordinate.programs && subordinate.uids.length > 0 && subordinate.gids.length > 0;
  if (!ordinary(evidence) || leases(evidence) || !ought || ready === undefined) return undefined;
  return problem('newuidmap-failed', {
    severity: 'warning',
    reason: app.noNewPrivs
      ? 'The app was started with no_new_privs, under which newuidmap cannot gain the right to map ids.'
      : 'newuidmap is there and so is a range, and still it could not map it.',
    evidence: [
      `NoNewPrivs: ${app.noNewPrivs ? 1 : 0} in /proc/self/status`,
      `set-user-id bit of newuidmap and newgidmap: ${subordinate.raised ? 'yes' : 'no (file capabilities do as well)'}`,
      `ranges: ${[...subordinate.uids, ...subordinate.gids].map(({ start, count }) => `${count} from ${start}`).join(', ')}`,
    ],
    remedy: app.noNewPrivs
      ? `# A service: NoNewPrivileges=no (and no SystemCallFilter= or RestrictNamespaces=, which imply it)
# A container: docker run without --security-opt no-new-privileges; Kubernetes: allowPrivilegeEscalation: true`
      : `# Install the programs as their package has them:
sudo apt-get install --reinstall uidmap
# and try by hand:
unshare --user --map-auto --map-root-user true`,
    affects: ['uid', 'groups'],
  });
};

export const groupsKept: Diagnosis = (evidence) => {
  if (!ordinary(evidence) || leases(evidence) || evidence.selfTest.enforced?.groups.state !== 'weaker')
    return undefined;
  return problem('groups-kept', {
    severity: 'warning',
    reason: 'The kernel lets an ordinary user drop groups only by newuidmap, so steps keep those of the app.',
    evidence: [`supplementary groups: ${evidence.app.groups.join(', ')}`],
    remedy: `${subordinateRemedy(evidence.app.user)}
${INSTALL_UIDMAP}
# or start the app without groups: setpriv --clear-groups node app.js (as root), SupplementaryGroups= in a service.`,
    affects: ['groups'],
  });
};
