import { isReadOnly, type MountPoint } from './mountinfo.js';

export interface FoundHierarchy {
  readonly version: 1 | 2;
  /** Of v1 hierarchies; those of v2 stand in its files. */
  readonly controllers: readonly string[];
  readonly directory: string;
  readonly readOnly: boolean;
}

/** The v1 controllers that limits need. */
const WANTED = ['memory', 'pids', 'cpu', 'cpuacct'];

/** The app's own cgroup in every hierarchy that could hold limits, by mountinfo and `/proc/self/cgroup`. */
export function findHierarchies(
  mounts: readonly MountPoint[],
  membership: string,
  exists: (path: string) => boolean,
): readonly FoundHierarchy[] {
  return membership.split('\n').flatMap((line) => {
    const [, names, ...rest] = line.split(':');
    if (names === undefined) return [];
    const path = rest.join(':');
    const controllers = names.split(',').filter((name) => WANTED.includes(name));
    const version = names === '' ? 2 : 1;
    if (version === 1 && controllers.length === 0) return [];
    const fitting = mounts.filter((mount) => holds(mount, version, controllers));
    const mount = fitting.findLast(({ target }) => target === fitting[0]?.target); // what was mounted over it is what is seen
    if (mount === undefined) return [];
    const below = mount.root.length > 1 && path.startsWith(mount.root) ? path.slice(mount.root.length) : path;
    const exact = `${mount.target}${below === '/' ? '' : below}`;
    // In a container with the host's cgroup namespace the path is the host's, and the mount shows only the end of it.
    return [{ version, controllers, directory: exists(exact) ? exact : mount.target, readOnly: isReadOnly(mount) }];
  });
}

function holds({ type, options }: MountPoint, version: 1 | 2, controllers: readonly string[]): boolean {
  if (version === 2) return type === 'cgroup2';
  return type === 'cgroup' && controllers.every((name) => options.includes(name));
}
