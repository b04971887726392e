import { SandboxError } from 'spawn-sandbox';
import type { ReadyMessage } from '#src/spawner/messages.js';
import type { AppEvidence, Evidence, KernelSettings, Subordinate } from '#src/support/evidence.js';
import { parseMountinfo, type MountPoint } from '#src/support/mountinfo.js';
import { PROBES, type ProbeName, type Probes } from '#src/support/probes.js';
import { plainError } from '#src/support/self-test.js';

/** Changes to a machine on which everything works. */
export interface Difference extends Omit<Partial<Evidence>, 'app' | 'settings' | 'ready' | 'subordinate'> {
  readonly app?: Partial<AppEvidence>;
  readonly settings?: Partial<KernelSettings>;
  readonly ready?: Partial<ReadyMessage> | undefined;
  readonly subordinate?: Partial<Subordinate>;
}

export const HOST_MOUNTS = parseMountinfo(`27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
22 27 0:21 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
23 27 0:22 / /sys rw,nosuid,nodev,noexec,relatime - sysfs sysfs rw
31 23 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - cgroup2 cgroup2 rw,nsdelegate
33 22 0:29 / /proc/sys/fs/binfmt_misc rw,relatime - autofs systemd-1 rw`);

/** The mounts of a container of Docker. */
export const DOCKER_MOUNTS: readonly MountPoint[] = parseMountinfo(`900 800 0:50 / / rw,relatime - overlay overlay rw
901 900 0:51 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
902 900 0:52 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
903 902 0:28 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate
904 901 0:51 /bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw
905 901 0:51 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw
906 901 0:53 / /proc/acpi ro,relatime - tmpfs tmpfs ro
907 901 0:54 /null /proc/kcore rw,nosuid - tmpfs tmpfs rw`);

const EVERY_CAPABILITY = [
  'CAP_SYS_ADMIN',
  'CAP_SETUID',
  'CAP_SETGID',
  'CAP_CHOWN',
  'CAP_KILL',
  'CAP_NET_ADMIN',
  'CAP_DAC_OVERRIDE',
  'CAP_SYS_PTRACE',
  'CAP_SETPCAP',
];
const ALL_CONTROLLERS = (1 << 14) | (1 << 15) | (1 << 16);
const READY: ReadyMessage = {
  privileged: true,
  leasesIdentity: true,
  cgroupVersion: 2,
  cgroupReason: '',
  cgroupControllers: ALL_CONTROLLERS,
  pid: 4711,
};
const EVERYTHING: Probes = Object.fromEntries(PROBES.map((name) => [name, { works: true }]));

/** Root of an ordinary machine. */
export function evidence({ app, settings, ready, subordinate, ...rest }: Difference = {}): Evidence {
  const base: Omit<Evidence, 'ready'> = {
    platform: 'linux-x64',
    kernel: '6.8.0',
    spawnerPath: '/app/node_modules/spawn-sandbox/native/build/spawner',
    app: {
      euid: 0,
      user: 'root',
      capabilities: EVERY_CAPABILITY,
      noNewPrivs: false,
      filtered: false,
      apparmor: '',
      uidMap: [{ start: 0, count: 4294967295 }],
      groups: [],
      ...app,
    },
    environment: { evidence: [] },
    systemd: true,
    settings: { maxNamespaces: { user: 63000 }, lsms: [], ...settings },
    mounts: HOST_MOUNTS,
    hierarchies: [
      {
        version: 2,
        controllers: ['cpu', 'memory', 'pids'],
        directory: '/sys/fs/cgroup/app.service',
        readOnly: false,
        processes: 1,
      },
    ],
    disabledControllers: [],
    subordinate: { uids: [], gids: [], programs: false, raised: false, ...subordinate },
    outside: EVERYTHING,
    inside: EVERYTHING,
    selfTest: { ok: true },
    ...rest,
  };
  return ready === undefined && 'failure' in rest ? base : { ...base, ready: { ...READY, ...ready } };
}

/** What the same machine lets an ordinary user do, who has a range of ids. */
export function ordinary(difference: Difference = {}): Evidence {
  const range = [{ start: 100000, count: 65536 }];
  return evidence({
    ...difference,
    app: { euid: 1000, user: 'ann', capabilities: [], ...difference.app },
    subordinate: { uids: range, gids: range, programs: true, raised: true, ...difference.subordinate },
    ready: 'failure' in difference ? undefined : { privileged: false, ...difference.ready },
  });
}

/** All probes, of which these answer by an error. */
export function refused(errnos: Readonly<Partial<Record<ProbeName, string>>>): Probes {
  const changes = Object.entries(errnos).map(([name, errno]) => [name, { works: false, errno }] as const);
  return { ...EVERYTHING, ...Object.fromEntries(changes) };
}

/** A self test that could not start, for want of a layer. */
export function unavailable(layer: 'user' | 'mount' | 'memory' | 'uid', errno: number): Evidence['selfTest'] {
  const error = new SandboxError('ERR_LAYER_UNAVAILABLE', `Cannot apply the layer '${layer}'.`, { layer, errno });
  return { ok: false, error: plainError(error) };
}
