import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { release, userInfo } from 'node:os';
import { mappedIds, ownNames, subordinateRanges } from '../spawner/id-files.js';
import { capabilityNames } from './capabilities.js';
import { findEnvironment, MARKER_FILES, MARKER_VARIABLES } from './environment.js';
import type { AppEvidence, Evidence, Hierarchy, KernelSettings, Subordinate } from './evidence.js';
import { findHierarchies } from './hierarchies.js';
import { type MountPoint, parseMountinfo } from './mountinfo.js';

/** The part of the evidence that files tell. */
export type FileEvidence = Omit<
  Evidence,
  'broken' | 'ready' | 'failure' | 'outside' | 'inside' | 'selfTest' | 'spawnerPath' | 'coreScheduling'
>;

export function collectFiles(): FileEvidence {
  const mounts = parseMountinfo(read('/proc/self/mountinfo'));
  return {
    platform: `${process.platform}-${process.arch}`,
    kernel: release(),
    app: collectApp(),
    environment: findEnvironment({
      files: MARKER_FILES.filter((path) => existsSync(path)),
      variables: pick(process.env, MARKER_VARIABLES),
      systemdContainer: read('/run/systemd/container'),
      cgroups: `${read('/proc/1/cgroup')}\n${read('/proc/self/cgroup')}`,
      version: read('/proc/version'),
      mounts,
    }),
    systemd: existsSync('/run/systemd/system'),
    settings: collectSettings(),
    mounts,
    hierarchies: collectHierarchies(mounts),
    disabledControllers: disabledControllers(read('/proc/cgroups')),
    subordinate: collectSubordinate(),
  };
}

function collectApp(): AppEvidence {
  const status = read('/proc/self/status');
  const line = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
  return {
    euid: process.geteuid?.() ?? 0,
    user: userName(),
    capabilities: capabilityNames(line('CapEff')),
    noNewPrivs: line('NoNewPrivs') === '1',
    filtered: line('Seccomp') === '2',
    apparmor: (read('/proc/self/attr/apparmor/current') || read('/proc/self/attr/current')).replace(/[\0\n]+$/, ''),
    uidMap: mappedIds('/proc/self/uid_map'),
    groups: process.getgroups?.() ?? [],
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.geteuid?.() ?? 0); // an identity without an account
  }
}

function collectSettings(): KernelSettings {
  const kinds = ['user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup'];
  const limits = kinds.map((kind) => [kind, readNumber(`/proc/sys/user/max_${kind}_namespaces`)] as const);
  const clone = readNumber('/proc/sys/kernel/unprivileged_userns_clone');
  const shared = readNumber('/sys/devices/system/cpu/smt/active');
  const apparmor = readNumber('/proc/sys/kernel/apparmor_restrict_unprivileged_userns');
  return {
    maxNamespaces: Object.fromEntries(limits.filter((entry): entry is [string, number] => entry[1] !== undefined)),
    ...(clone === undefined ? {} : { unprivilegedUsernsClone: clone }),
    ...(apparmor === undefined ? {} : { apparmorRestrictsUserns: apparmor }),
    ...(shared === undefined ? {} : { coresAreShared: shared === 1 }),
    lsms: read('/sys/kernel/security/lsm')
      .trim()
      .split(',')
      .filter((name) => name !== ''),
  };
}

/** Columns: name, hierarchy, number of cgroups, enabled. */
export function disabledControllers(table: string): readonly string[] {
  return table
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(/\s+/))
    .filter(([, , , enabled]) => enabled === '0')
    .flatMap(([name]) => name ?? []);
}

function collectHierarchies(mounts: readonly MountPoint[]): readonly Hierarchy[] {
  return findHierarchies(mounts, read('/proc/self/cgroup'), (path) => existsSync(path)).map(
    ({ version, controllers, directory, readOnly }) => ({
      version,
      controllers: version === 2 ? words(read(`${directory}/cgroup.controllers`)) : controllers,
      directory,
      readOnly,
      processes: words(read(`${directory}/cgroup.procs`)).length,
    }),
  );
}

/** Makes a cgroup and removes it: the only way to know whether one can be made. */
export function tryHierarchy(hierarchy: Hierarchy): Hierarchy {
  const path = `${hierarchy.directory}/spawn-sandbox-doctor-${process.pid}`;
  try {
    mkdirSync(path);
    rmdirSync(path);
    return { ...hierarchy, mkdir: 'works' };
  } catch (error) {
    return { ...hierarchy, mkdir: (error as NodeJS.ErrnoException).code ?? 'refused' };
  }
}

function collectSubordinate(): Subordinate {
  const names = ownNames();
  const programs = ['/usr/bin/newuidmap', '/usr/bin/newgidmap'];
  return {
    uids: subordinateRanges('/etc/subuid', names),
    gids: subordinateRanges('/etc/subgid', names),
    programs: programs.every((path) => existsSync(path)),
    raised: programs.every(isRaised),
  };
}

/** File capabilities cannot be read without a program for it; distributions that use them leave the set-user-id bit off. */
function isRaised(path: string): boolean {
  try {
    return (statSync(path).mode & 0o4000) !== 0;
  } catch {
    return false;
  }
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function pick(from: NodeJS.ProcessEnv, names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]])));
}

function readNumber(path: string): number | undefined {
  const text = read(path).trim();
  return text === '' ? undefined : Number(text);
}

/** Empty when it cannot be read. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
