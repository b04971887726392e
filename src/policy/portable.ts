import { layerMask, NAMESPACES } from '../layers.js';
import type { ResolvedOptions } from '../options/resolve.js';
import { encodeDefinition } from '../spawner/codec.js';
import { MOUNT_KIND, type MountMessage } from '../spawner/messages.js';
import { compileSyscalls } from '../syscalls/index.js';
import { portableSyscalls } from '../syscalls/portable.js';
import type { Command } from './command.js';
import { sharedPaths } from './etc.js';
import { bindReadOnly, bindWritable, device, scratch } from './mounts.js';
import type { Policy } from './policy.js';
import { reuse } from './reuse.js';
import { systemPaths } from './system-tree.js';

/** What of the kernel's own tells of the machine and of no process. */
const OF_THE_KERNEL = ['cpuinfo', 'filesystems', 'loadavg', 'meminfo', 'stat', 'uptime', 'version'];
const DEVICES = ['null', 'full', 'random', 'urandom'];
const PRIVATE = 0o700;

/** Whether the app does without every namespace by name. */
export function doesWithoutNamespaces({ allowMissing }: Pick<ResolvedOptions, 'allowMissing'>): boolean {
  return NAMESPACES.every((layer) => allowMissing.includes(layer));
}

/**
 * What the spawner makes of a policy where namespaces cannot be had (native/portable/): nothing is mounted, the step finds
 * at their own places what Landlock lets it open there. What could not hold so is refused there, never left out.
 */
export function portablePolicy(options: ResolvedOptions, command: Command, policy: Policy): Uint8Array {
  const filters = compileSyscalls(
    portableSyscalls(options.syscalls, {
      hostNetwork: options.network === 'host',
      // The spawner of an app with root gives ids, or refuses.
      sharesId: process.geteuid?.() !== 0,
    }),
  );
  return encodeDefinition({
    ...policy,
    policyId: 0,
    mounts: placesOf(options, command),
    baseFilter: filters.base,
    stepFilter: filters.step,
    stepFilterNotifies: filters.notifies,
    // Only root of some user namespace can have the whole of these two; without privileges to gain, they change nothing.
    allowWeaker: policy.allowWeaker | layerMask(['capabilities']),
    allowMissing: (policy.allowMissing | layerMask(['securebits'])) & ~layerMask(['landlock']),
    require: (policy.require & ~layerMask(['securebits'])) | layerMask(['landlock']),
    cover: [],
    reuseNet: false,
    reuseUser: false,
    keyless: reuse(options).keyless,
  });
}

/** Of what cannot be had, another root or an overlay, the kind is passed on: the spawner refuses it. */
function placesOf({ root, mounts, user, network }: ResolvedOptions, command: Command): readonly MountMessage[] {
  return [
    ...(root === undefined ? [] : [{ ...bindReadOnly(root, '/'), kind: MOUNT_KIND.root }]),
    ...systemPaths().map((path) => bindReadOnly(path)),
    ...sharedPaths(network).map((path) => bindReadOnly(path, path, { optional: true })),
    ...OF_THE_KERNEL.map((name) => bindReadOnly(`/proc/${name}`, `/proc/${name}`, { optional: true })),
    ...DEVICES.map((name) => device(`/dev/${name}`)),
    // For reading: what can be written there and is mapped is memory that nobody sees.
    bindReadOnly('/dev/zero'),
    ...[...new Set(['/tmp', '/var/tmp', '/dev/shm', user.home])]
      .filter((path) => !mounts.some(({ target }) => target === path))
      .map((path) => scratch(path, PRIVATE)),
    ...command.mounts.map(({ source, target }) => bindReadOnly(source, target)),
    ...mounts.map(({ source, target, access, optional }) =>
      access === 'writable'
        ? bindWritable(source, target, { optional })
        : {
            ...bindReadOnly(source, target, { optional }),
            ...(access === 'overlay' ? { kind: MOUNT_KIND.overlay } : {}),
          },
    ),
  ];
}
