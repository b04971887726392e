import type { MountPoint } from './mountinfo.js';
import { mountOf } from './mountinfo.js';
import type { SupportEnvironment } from './report.js';

/** What may keep the app in a container or a sandbox of its own. `'wsl'` and `'gvisor'` are kernels rather than containers. */
export type ContainerKind =
  'kubernetes' | 'docker' | 'podman' | 'lxc' | 'systemd-nspawn' | 'flatpak' | 'snap' | 'gvisor' | 'wsl' | 'other';

/** What is looked at to tell where the app runs. */
export interface EnvironmentMarkers {
  /** Which of `MARKER_FILES` exist. */
  readonly files: readonly string[];
  /** Of the app's variables, those of `MARKER_VARIABLES`. */
  readonly variables: Readonly<Record<string, string>>;
  /** The content of `/run/systemd/container`. */
  readonly systemdContainer: string;
  /** `/proc/1/cgroup` and `/proc/self/cgroup`. */
  readonly cgroups: string;
  /** `/proc/version`. */
  readonly version: string;
  readonly mounts: readonly MountPoint[];
}

export const MARKER_FILES = [
  '/.dockerenv',
  '/run/.containerenv',
  '/var/run/secrets/kubernetes.io/serviceaccount',
  '/dev/lxd/sock',
  '/dev/.lxc-boot-id',
  '/.flatpak-info',
] as const;

export const MARKER_VARIABLES = ['container', 'KUBERNETES_SERVICE_HOST', 'SNAP'] as const;

interface Sign {
  readonly kind: ContainerKind;
  /** A fact in words, or nothing. */
  readonly seen: (markers: EnvironmentMarkers) => string | undefined;
}

/** The first kind with a sign is the answer: what runs inside of something else stands before it. */
const SIGNS: readonly Sign[] = [
  { kind: 'gvisor', seen: gvisorKernel },
  { kind: 'flatpak', seen: file('/.flatpak-info') },
  { kind: 'snap', seen: variable('SNAP') },
  { kind: 'kubernetes', seen: variable('KUBERNETES_SERVICE_HOST') },
  { kind: 'kubernetes', seen: file('/var/run/secrets/kubernetes.io/serviceaccount') },
  { kind: 'kubernetes', seen: cgroup(/kubepods/) },
  { kind: 'podman', seen: file('/run/.containerenv') },
  { kind: 'podman', seen: containerIs('podman') },
  { kind: 'podman', seen: cgroup(/libpod/) },
  { kind: 'docker', seen: file('/.dockerenv') },
  { kind: 'docker', seen: containerIs('docker') },
  { kind: 'docker', seen: cgroup(/\/docker[/-]/) },
  { kind: 'lxc', seen: containerIs('lxc') },
  { kind: 'lxc', seen: file('/dev/lxd/sock') },
  { kind: 'lxc', seen: file('/dev/.lxc-boot-id') },
  { kind: 'lxc', seen: cgroup(/\/lxc(\.payload)?[./]/) },
  { kind: 'systemd-nspawn', seen: containerIs('systemd-nspawn') },
  { kind: 'other', seen: ({ variables }) => said('container', variables['container']) },
  { kind: 'other', seen: ({ systemdContainer }) => said('/run/systemd/container', systemdContainer) },
  { kind: 'other', seen: layeredRoot },
  { kind: 'wsl', seen: ({ version }) => (/microsoft/i.test(version) ? `/proc/version: ${version.trim()}` : undefined) },
];

export function findEnvironment(markers: EnvironmentMarkers): SupportEnvironment {
  const seen = SIGNS.map(({ kind, seen }) => ({ kind, fact: seen(markers) })).filter(({ fact }) => fact !== undefined);
  const container = seen[0]?.kind;
  const evidence = seen.flatMap(({ fact }) => fact ?? []);
  return container === undefined ? { evidence } : { container, evidence };
}

function file(path: string): Sign['seen'] {
  return ({ files }) => (files.includes(path) ? `${path} exists` : undefined);
}

function variable(name: string): Sign['seen'] {
  return ({ variables }) => (variables[name] === undefined ? undefined : `the variable ${name} is set`);
}

function containerIs(name: string): Sign['seen'] {
  return ({ variables, systemdContainer }) => {
    if (variables['container'] === name) return `the variable container is '${name}'`;
    return systemdContainer.trim() === name ? `/run/systemd/container says '${name}'` : undefined;
  };
}

function cgroup(pattern: RegExp): Sign['seen'] {
  return ({ cgroups }) => {
    const line = cgroups.split('\n').find((line) => pattern.test(line));
    return line === undefined ? undefined : `/proc/*/cgroup: ${line}`;
  };
}

function said(where: string, what: string | undefined): string | undefined {
  const text = what?.trim() ?? '';
  return text === '' ? undefined : `${where}: ${text}`;
}

/** The version that gVisor's own kernel has always told, to the second. */
function gvisorKernel({ version }: EnvironmentMarkers): string | undefined {
  const known = 'Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016';
  return version.startsWith(known) ? `/proc/version: ${known}` : undefined;
}

/** Container engines stack images; installed systems do not. */
function layeredRoot({ mounts }: EnvironmentMarkers): string | undefined {
  const root = mountOf(mounts, '/');
  return root?.type === 'overlay' || root?.type === 'fuse.fuse-overlayfs' ? `/ is of type ${root.type}` : undefined;
}
