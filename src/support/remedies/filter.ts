import type { ContainerKind } from '../environment.js';
import { MAKE_PROFILE, NEEDED_CALLS } from './seccomp.js';

/** How to let the calls through, by who put the filter there. */
export function filterRemedy(container: ContainerKind | undefined, systemd: boolean): string {
  if (container === undefined || container === 'wsl') return systemd ? SYSTEMD : SOMEBODY;
  return BY_CONTAINER[container] ?? SOMEBODY;
}

const DOCKER = `${MAKE_PROFILE}
# 2. Start the container with it, and with a /proc that is not masked:
docker run --security-opt seccomp=spawn-sandbox.json --security-opt systempaths=unconfined IMAGE
# Where AppArmor is in use (Debian, Ubuntu), its profile for containers forbids mounting, too:
docker run --security-opt seccomp=spawn-sandbox.json --security-opt systempaths=unconfined --security-opt apparmor=unconfined IMAGE`;

const BY_CONTAINER: Readonly<Partial<Record<ContainerKind, string>>> = {
  docker: DOCKER,
  podman: `${MAKE_PROFILE}
# 2. Start the container with it, and with a /proc that is not masked:
podman run --security-opt seccomp=spawn-sandbox.json --security-opt unmask=ALL IMAGE`,
  kubernetes: `${MAKE_PROFILE}
# 2. Put it on every node as /var/lib/kubelet/seccomp/spawn-sandbox.json, and name it in the pod:
spec:
  hostUsers: false            # root of the container is nobody on the node
  containers:
    - name: app
      securityContext:
        procMount: Unmasked   # needs hostUsers: false
        seccompProfile:
          type: Localhost
          localhostProfile: spawn-sandbox.json
        appArmorProfile:      # only on nodes with AppArmor, whose default profile forbids mounting
          type: Unconfined
# Without access to the nodes, and with hostUsers: false only: the default filter lets the calls through for
#       securityContext: { procMount: Unmasked, capabilities: { add: [SYS_ADMIN] } }
# which is a right over the pod's own user namespace then, not over the node.`,
  lxc: `lxc config set CONTAINER security.nesting true
lxc restart CONTAINER
# or, with plain LXC, in the container's configuration: lxc.include = /usr/share/lxc/config/nesting.conf`,
  'systemd-nspawn': `systemd-nspawn --system-call-filter="${NEEDED_CALLS.join(' ')}" ...`,
  flatpak: 'Flatpak forbids sandboxes inside of its own. Run the app outside of Flatpak.',
  snap: 'Snap forbids making sandboxes under strict confinement. Run the app outside of Snap, or install the snap with --classic.',
};

const SYSTEMD = `# A service with RestrictNamespaces= or SystemCallFilter= gets such a filter from systemd:
sudo systemctl edit NAME.service
[Service]
RestrictNamespaces=no
# and only where the unit has a SystemCallFilter= of its own, which this line extends:
#SystemCallFilter=${NEEDED_CALLS.join(' ')}
# then: sudo systemctl restart NAME.service`;

const SOMEBODY = `Whoever started the app put a seccomp filter over it. Let these system calls through there:
${NEEDED_CALLS.join(', ')}`;
