import type { ContainerKind } from '../environment.js';

/** How to get a `/proc` without masks. */
export function unmaskRemedy(container: ContainerKind | undefined): string {
  return BY_CONTAINER[container ?? 'other'] ?? OTHER;
}

const BY_CONTAINER: Readonly<Partial<Record<ContainerKind, string>>> = {
  docker: `docker run --security-opt systempaths=unconfined IMAGE
# in compose.yaml, at the service:
#   security_opt: [systempaths=unconfined]`,
  podman: 'podman run --security-opt unmask=ALL IMAGE',
  kubernetes: `spec:
  hostUsers: false            # needed for procMount: Unmasked; root of the container is nobody on the node
  containers:
    - name: app
      securityContext:
        procMount: Unmasked`,
  lxc: `lxc config set CONTAINER security.nesting true
lxc restart CONTAINER`,
};

const OTHER = `# Take away what is mounted below /proc. As root, where nothing else needs it:
sudo umount PATH
# or tell the container engine not to mask /proc.`;
