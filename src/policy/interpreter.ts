import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isPrefixSafe } from './prefix.js';
import { programBehindShim } from './pyenv.js';
import { isInSystemTree } from './system-tree.js';
import { virtualEnvironmentOf } from './venv.js';

/** A path of the host that is mounted read-only. */
export interface BoundPath {
  readonly source: string;
  readonly target: string;
}

/** A program, and what must be visible for it to run. */
export interface ExposedProgram {
  readonly program: string;
  readonly mounts: readonly BoundPath[];
  readonly bins: readonly string[];
}

/**
 * What must be visible so that a program of the host runs inside: nothing for one in `/usr`, its prefix for an
 * interpreter installed elsewhere (pyenv, venv, nvm, conda, `/opt/x`), the single file for anything else.
 * Never a home directory, or another tree that holds more than the program.
 */
export function exposeProgram(path: string): ExposedProgram {
  const program = programBehindShim(path) ?? path;
  const exposed = new Map<string, BoundPath>();
  const bins: string[] = [];
  expose(program, exposed, bins);
  return { program, mounts: outermost([...exposed.values()]), bins };
}

function expose(program: string, into: Map<string, BoundPath>, bins: string[]): void {
  if (isCovered(program, into)) {
    exposeTarget(program, into, bins);
    return;
  }
  const environment = virtualEnvironmentOf(program);
  if (environment !== undefined && isPrefixSafe(environment.directory)) {
    add(into, environment.directory);
    bins.push(dirname(program));
    expose(environment.basePython, into, []);
    return;
  }
  const prefix = prefixOf(program);
  if (prefix === undefined) {
    const real = realPath(program);
    into.set(program, { source: real, target: program });
    exposeTarget(program, into, []);
    return;
  }
  add(into, prefix);
  bins.push(dirname(program));
  exposeTarget(program, into, []);
}

/** A link that leads elsewhere: what it leads to must be visible, too. */
function exposeTarget(program: string, into: Map<string, BoundPath>, bins: string[]): void {
  const real = realPath(program);
  if (real !== program && !isCovered(real, into)) expose(real, into, bins);
}

/** `P` for `P/bin/NAME` where P looks like the prefix of an installation. */
function prefixOf(program: string): string | undefined {
  const bin = dirname(program);
  if (!['bin', 'sbin'].includes(basename(bin))) return undefined;
  const prefix = dirname(bin);
  const looksInstalled = ['lib', 'lib64', 'include'].some((name) => existsSync(join(prefix, name)));
  return looksInstalled && isPrefixSafe(prefix) ? prefix : undefined;
}

function add(into: Map<string, BoundPath>, path: string): void {
  into.set(path, { source: path, target: path });
}

function isCovered(path: string, by: ReadonlyMap<string, BoundPath>): boolean {
  return isInSystemTree(path) || [...by.keys()].some((tree) => path === tree || path.startsWith(`${tree}/`));
}

/** Shorter paths first, and none that another already covers. */
function outermost(paths: readonly BoundPath[]): readonly BoundPath[] {
  const sorted = paths.toSorted((a, b) => a.target.length - b.target.length);
  return sorted.filter(
    ({ target }, index) => !sorted.slice(0, index).some((outer) => target.startsWith(`${outer.target}/`)),
  );
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // a dangling link: the spawner will say that there is no such command
  }
}
