import type { ContainerKind } from '../environment.js';

export function writableCgroupRemedy(container: ContainerKind | undefined): string {
  return WRITABLE[container ?? 'other'] ?? WRITABLE_OTHER;
}

const WRITABLE: Readonly<Partial<Record<ContainerKind, string>>> = {
  docker: `# Docker 28 and later, on a host with cgroup v2:
docker run --security-opt writable-cgroups=true IMAGE
# Before that only \`docker run --privileged\` mounts it writable.`,
  podman: `podman run --security-opt unmask=/sys/fs/cgroup IMAGE
# or: podman run --systemd=always IMAGE`,
  kubernetes: `# On the node, containerd 2.1 and later (/etc/containerd/config.toml), for a runtime class of its own:
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc-cgroups]
  runtime_type = 'io.containerd.runc.v2'
  cgroup_writable = true
# CRI-O: permit and set the annotation io.kubernetes.cri-o.cgroup2-mount-hierarchy-rw: "true".
# GKE: containerdConfig.writableCgroups.enabled: true.`,
};

const WRITABLE_OTHER = `# As root, in the mount namespace of the app:
mount -o remount,rw /sys/fs/cgroup
# or tell the container engine to mount it writable.`;

/** `systemd` is the init: it owns the tree and gives away parts of it. */
export function delegateRemedy(systemd: boolean, user: string): string {
  return systemd ? DELEGATE_SYSTEMD : delegateByHand(user);
}

const DELEGATE_SYSTEMD = `# A service: give it its own cgroup to manage.
sudo systemctl edit NAME.service
[Service]
Delegate=yes
# then: sudo systemctl restart NAME.service

# From a terminal, as an ordinary user:
systemd-run --user --scope -p Delegate=yes node app.js
# and once per machine, so that users may limit cpu as well as memory and processes:
sudo mkdir -p /etc/systemd/system/user@.service.d
printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf
sudo systemctl daemon-reload`;

function delegateByHand(user: string): string {
  return `# As root: a cgroup that belongs to the app's user, and the app started in it.
mkdir -p /sys/fs/cgroup/spawn-sandbox/app
echo '+memory +pids +cpu' > /sys/fs/cgroup/cgroup.subtree_control
chown -R ${user} /sys/fs/cgroup/spawn-sandbox
echo $$ > /sys/fs/cgroup/spawn-sandbox/app/cgroup.procs
exec su ${user} -c 'node app.js'   # with configureSpawner({ cgroupParent: '/sys/fs/cgroup/spawn-sandbox' })`;
}

export function delegateV1Remedy(user: string): string {
  return `# Best: boot with cgroup v2 only, which can be delegated safely (kernel command line):
#   systemd.unified_cgroup_hierarchy=1
# Or, as root, a cgroup in each hierarchy that belongs to the app's user, and the app started in them:
for controller in memory pids cpu cpuacct; do
  mkdir -p /sys/fs/cgroup/$controller/spawn-sandbox
  chown -R ${user} /sys/fs/cgroup/$controller/spawn-sandbox
  echo $$ > /sys/fs/cgroup/$controller/spawn-sandbox/cgroup.procs
done
exec su ${user} -c 'node app.js'`;
}

/** In a container the app's cgroup is the top: everything that runs there must move one down. */
export function busyRemedy(directory: string, container: ContainerKind | undefined, systemd: boolean): string {
  if (container === undefined && systemd) {
    return `# Let the service's processes live in a cgroup below the one that is delegated (systemd 254 and later):
sudo systemctl edit NAME.service
[Service]
Delegate=yes
DelegateSubgroup=app
# then: sudo systemctl restart NAME.service`;
  }
  return `# Before the app starts, move what runs there into a cgroup below:
mkdir -p ${directory}/app
for pid in $(cat ${directory}/cgroup.procs); do echo $pid > ${directory}/app/cgroup.procs; done
exec node app.js`;
}
