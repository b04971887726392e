import type { FileHandle } from 'node:fs/promises';
import { lstat, mkdir, readlink } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { unlessMissing } from '../host/missing.js';
import { below, openDirectory } from '../host/path.js';
import { removeTree } from '../host/remove-tree.js';
import type { Budget } from './budget.js';
import { MOST_DEPTH, splitPath, UP } from './entry.js';
import { ImageProblem, named } from './problem.js';

/** As the kernel has it. */
const MOST_LINKS = 40;
const SLASH = '/'.charCodeAt(0);
/** Of names on the way to one entry, with those in links: or an archive could take days. */
const MOST_STEPS = 256;
/** Of a directory that no layer describes. */
const IMPLIED = 0o755;

/** A directory of the tree, and what in it the present layer has made. */
export interface Level {
  readonly handle: FileHandle;
  readonly inode: bigint;
}

/**
 * The tree that layers are laid over each other in. Paths of an image are walked name by name along directories that are open: its links
 * are resolved here, with the image's root as `/`, and by the kernel never.
 */
export class OpenTree {
  readonly #root: Level;
  readonly #budget: Budget;
  /** `inode/name` of what the present layer holds: its whiteouts are for what lay below. */
  readonly #made = new Set<string>();
  /** Directories in which nothing of lower layers is left: none is looked through twice. */
  readonly #cleared = new Set<bigint>();
  /** What the layers say of directories. */
  readonly times = new Map<bigint, number>();
  /** Most entries are in the directory of the one before. */
  #last: { readonly key: string; readonly levels: readonly Level[] } | undefined;

  private constructor(root: Level, budget: Budget) {
    this.#root = root;
    this.#budget = budget;
  }

  static async open(parent: FileHandle, name: Buffer, budget: Budget): Promise<OpenTree> {
    return new OpenTree(await levelOf(parent, name), budget);
  }

  get root(): Level {
    return this.#root;
  }

  async close(): Promise<void> {
    await this.#forget();
    await this.#root.handle.close();
  }

  async nextLayer(): Promise<void> {
    await this.#forget();
    this.#made.clear();
    this.#cleared.clear();
  }

  /** The directory that these names lead to, which stays open until the next call. `make`: what is missing is made; else nothing then. */
  async enter(names: readonly Buffer[], make: boolean): Promise<Level | undefined> {
    const key = Buffer.concat(names.flatMap((name) => [name, SEPARATOR])).toString('latin1');
    if (this.#last?.key === key) return this.#last.levels.at(-1) ?? this.#root;
    await this.#forget();
    const levels: Level[] = [];
    let complete = false;
    try {
      complete = await this.#walk(names, levels, make);
    } finally {
      if (!complete) for (const level of levels) await level.handle.close();
    }
    if (!complete) return undefined;
    this.#last = { key, levels };
    return levels.at(-1) ?? this.#root;
  }

  has(level: Level, name: Buffer): boolean {
    return this.#made.has(keyOf(level, name));
  }

  add(level: Level, name: Buffer): void {
    this.#made.add(keyOf(level, name));
  }

  /** True for the first time. */
  clear({ inode }: Level): boolean {
    const isFirst = !this.#cleared.has(inode);
    this.#cleared.add(inode);
    return isFirst;
  }

  /** What is open below it would be gone, too. */
  async remove({ handle }: Level, name: Buffer): Promise<void> {
    await removeTree(handle, name);
  }

  /** True when it has come to the end. */
  async #walk(names: readonly Buffer[], levels: Level[], make: boolean): Promise<boolean> {
    const ahead = [...names];
    let links = 0;
    for (let steps = 0; steps < MOST_STEPS; steps++) {
      const name = ahead.shift();
      if (name === undefined) return true;
      if (name.equals(UP)) {
        await levels.pop()?.handle.close();
        continue;
      }
      const level = levels.at(-1) ?? this.#root;
      const status = await statusOf(level, name);
      if (status?.isSymbolicLink() === true) {
        if (++links > MOST_LINKS) throw new ImageProblem(`more than ${MOST_LINKS} links lead to ${named(name)}`);
        const target = await readlink(below(level.handle, name), { encoding: 'buffer' });
        if (target[0] === SLASH) for (const left of levels.splice(0)) await left.handle.close();
        ahead.unshift(...splitPath(target));
        continue;
      }
      if (status === undefined && !make) return false;
      if (status !== undefined && !status.isDirectory())
        throw new ImageProblem(`an entry is in ${named(name)}, which is no directory`);
      if (levels.length >= MOST_DEPTH) throw new ImageProblem(`an entry is in more than ${MOST_DEPTH} directories`);
      levels.push(status === undefined ? await this.#imply(level, name) : await levelOf(level.handle, name));
      this.add(level, name);
    }
    throw new ImageProblem(`more than ${MOST_STEPS} names lead to an entry`);
  }

  async #imply(level: Level, name: Buffer): Promise<Level> {
    this.#budget.entry();
    return await makeDirectory(level, name, IMPLIED);
  }

  async #forget(): Promise<void> {
    const levels = this.#last?.levels ?? [];
    this.#last = undefined;
    for (const level of levels) await level.handle.close();
  }
}

const SEPARATOR = Buffer.from('/');

function keyOf({ inode }: Level, name: Buffer): string {
  return `${inode}/${name.toString('latin1')}`;
}

export function statusOf({ handle }: Level, name: Buffer): Promise<BigIntStats | undefined> {
  return unlessMissing(lstat(below(handle, name), { bigint: true }));
}

export async function levelOf(parent: FileHandle, name: Buffer): Promise<Level> {
  const handle = await openDirectory(parent, name);
  try {
    return { handle, inode: (await handle.stat({ bigint: true })).ino };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Open; the mode is as it is given, whatever the app's umask. */
export async function makeDirectory({ handle }: Level, name: Buffer, mode: number): Promise<Level> {
  await mkdir(below(handle, name), 0o700);
  const level = await levelOf(handle, name);
  try {
    await level.handle.chmod(mode);
    return level;
  } catch (error) {
    await level.handle.close();
    throw error;
  }
}
