import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { recordedCgroups } from '../../helpers/cgroup-records.js';
import { whoMounts } from '../../helpers/killed-app.js';
import { descendantsOf, type ProcessId, runs, startedAs } from '../../helpers/marked-processes.js';
import { readProc } from '../../helpers/zygote-processes.js';

/** What an app may leave, by kind; each list names what was found. */
export interface Found {
  readonly processes: readonly string[];
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  readonly records: readonly string[];
  readonly leases: readonly string[];
  readonly temporary: readonly string[];
}

/**
 * Remembers what apps had while they lived, and looks later for what is still there. Nothing is told by a name: processes are known by pid and
 * start time, by a directory that every mount namespace of the app shows, and by the cgroup that they count in.
 */
export class Residue {
  readonly #places: { readonly state: string; readonly temporary: string; readonly mounted: string };
  readonly #processes = new Map<string, ProcessId>();
  readonly #cgroups = new Set<string>();

  /** @param places of the app alone: its state directory, its TMPDIR, and a directory that every sandbox of it mounts */
  constructor(places: { readonly state: string; readonly temporary: string; readonly mounted: string }) {
    this.#places = places;
  }

  /** Notes all that an app has at this moment. */
  note(app: number): void {
    for (const one of descendantsOf(app)) this.#processes.set(`${one.pid}:${one.startTime}`, one);
    for (const cgroup of recordedCgroups(this.#places.state)) this.#cgroups.add(cgroup);
  }

  /** How much was noted, for what is to be proven by finding none of it. */
  get noted(): { readonly processes: number; readonly cgroups: number } {
    return { processes: this.#processes.size, cgroups: this.#cgroups.size };
  }

  /** @param alive an app whose things are no residue */
  find(alive?: number): Found {
    const mounting = whoMounts(Object.values(this.#places));
    const counting = allPids().filter((pid) => this.#countsIn(readProc(Number(pid), 'cgroup')));
    const running = [...this.#processes.values()].filter(runs);
    // Looked at last: whoever was born meanwhile is among them, or has ended again.
    const theirs = new Set(alive === undefined ? [] : [alive, ...descendantsOf(alive).map(({ pid }) => pid)]);
    const isLeft = (pid: string): boolean => !theirs.has(Number(pid)) && existsSync(`/proc/${pid}`);
    return {
      processes: running.filter((one) => !theirs.has(one.pid) && runs(one)).map(describe),
      mounts: mounting.filter(isLeft),
      cgroups: [...this.#oldCgroups(alive), ...counting.filter(isLeft)],
      ...(alive === undefined ? this.#files() : { records: [], leases: [], temporary: [] }),
    };
  }

  #oldCgroups(alive: number | undefined): readonly string[] {
    const theirs = alive === undefined ? [] : recordedCgroups(this.#places.state);
    return [...this.#cgroups].filter((path) => existsSync(path) && !theirs.includes(path));
  }

  /** What lies in directories that a live app uses, too. */
  #files(): Pick<Found, 'records' | 'leases' | 'temporary'> {
    return {
      records: namesIn(this.#places.state).filter((name) => name !== 'uid-locks'),
      leases: locksOf(join(this.#places.state, 'uid-locks')),
      temporary: namesIn(this.#places.temporary),
    };
  }

  /** The directory of a spawner has a name of 64 random bits, in every hierarchy. */
  #countsIn(membership: string): boolean {
    return [...this.#cgroups].some((path) => membership.includes(path.slice(path.lastIndexOf('/'))));
  }
}

export function isNothing(found: Found): boolean {
  return Object.values(found).every((list: readonly string[]) => list.length === 0);
}

function describe(id: ProcessId): string {
  return `${id.pid} (${startedAs(id)})`;
}

function allPids(): readonly string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

function namesIn(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** The kernel's list of locks on a file: leases are held by them. */
function locksOf(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  const { ino } = statSync(path);
  return readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`:${ino} `));
}
