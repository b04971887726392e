import type { BigIntStats } from 'node:fs';
import { constants } from 'node:os';
import { SandboxError } from '../../errors.js';
import type { Addon } from '../../spawner/native.js';
import { type Change, type Entry, entryOf, keyOf, type Located, typeOf, writtenOf } from './change.js';
import type { Directory } from '../../host/directory.js';
import { haveSameContent } from './same-content.js';

/** Of a tree that a step has made; deeper ones would cost the app its descriptors. */
const MOST_DEPTH = 100;
const MOST_CHANGES = 200_000;
const MOST_PATH_BYTES = 32 << 20;
/** With their originals; what is left is taken to differ. A file with holes can be of any length. */
const MOST_COMPARED_BYTES = 2 ** 32;
const { EOPNOTSUPP } = constants.errno;
const OPAQUE = 'y'.charCodeAt(0);

/** What the comparison of one overlay needs. */
export interface Comparison {
  readonly addon: Addon;
  /** Where it is inside. */
  readonly target: Buffer;
  /** What the names of the overlay's own attributes begin with. */
  readonly attributes: 'trusted.' | 'user.';
  /** Inside, where something else is mounted: what lies there was put there for it. */
  readonly mountPoints: ReadonlySet<string>;
}

/** What commands did to an overlay: the upper layer, which holds all that was written, against the original. Parents come before what is in them. */
export async function compareLayers(
  upper: Directory,
  lower: Directory,
  comparison: Comparison,
): Promise<readonly Located[]> {
  const walk = new Walk(comparison);
  await walk.directories(upper, lower, []);
  return walk.found.toSorted((one, other) => Buffer.compare(one.change.bytes, other.change.bytes));
}

class Walk {
  readonly found: Located[] = [];
  readonly #comparison: Comparison;
  #pathBytes = 0;
  #compared = 0n;

  constructor(comparison: Comparison) {
    this.#comparison = comparison;
  }

  /** `replaced`: one above is another directory than the original of that name, and so are all in it. */
  async directories(
    upper: Directory,
    lower: Directory | undefined,
    names: readonly Buffer[],
    replaced = false,
  ): Promise<void> {
    if (names.length > MOST_DEPTH) throw tooMuch(`directories below each other`, MOST_DEPTH, this.#pathOf(names));
    const written = await upper.names();
    const isReplaced = replaced || this.#isOpaque(upper);
    for (const name of written) await this.#entry(upper, lower, [...names, name], isReplaced);
    if (lower === undefined || !isReplaced) return;
    const isWritten = new Set(written.map(keyOf));
    for (const name of await lower.names()) {
      if (!isWritten.has(keyOf(name))) await this.#deleted(lower, [...names, name]);
    }
  }

  async #entry(
    upper: Directory,
    lower: Directory | undefined,
    names: readonly Buffer[],
    replaced: boolean,
  ): Promise<void> {
    const name = names.at(-1) as Buffer;
    if (this.#comparison.mountPoints.has(keyOf(this.#pathOf(names)))) return;
    const now = await upper.status(name);
    if (now === undefined) return; // gone meanwhile
    if (isWhiteout(now)) {
      if (lower !== undefined) await this.#deleted(lower, names);
      return;
    }
    const before = await lower?.status(name);
    if (now.isDirectory()) await this.#directory(upper, lower, names, now, before, replaced);
    else await this.#other(upper, lower, names, now, before);
  }

  async #directory(
    upper: Directory,
    lower: Directory | undefined,
    names: readonly Buffer[],
    now: BigIntStats,
    before: BigIntStats | undefined,
    replaced: boolean,
  ): Promise<void> {
    const name = names.at(-1) as Buffer;
    if (before === undefined) this.#add('added', names, { now: entryOf(now), content: true }, writtenOf(now));
    else if (!before.isDirectory()) await this.#modified(names, entryOf(now), lower, before, true, now);
    else if ((now.mode & 0o7777n) !== (before.mode & 0o7777n))
      await this.#modified(names, entryOf(now), lower, before, false, now);
    const inUpper = await upper.directory(name);
    if (inUpper === undefined) return;
    const inLower = before?.isDirectory() === true ? await lower?.directory(name) : undefined;
    try {
      await this.directories(inUpper, inLower, names, replaced);
    } finally {
      await inUpper.close();
      await inLower?.close();
    }
  }

  /** Anything but a directory. */
  async #other(
    upper: Directory,
    lower: Directory | undefined,
    names: readonly Buffer[],
    now: BigIntStats,
    before: BigIntStats | undefined,
  ): Promise<void> {
    const entry = await describe(upper, names.at(-1) as Buffer, now);
    if (lower === undefined || before === undefined) {
      const isCopy = lower !== undefined && now.isFile() && (await this.#isCopy(upper, names.at(-1) as Buffer));
      const missingSinceNs = isCopy ? (await lower.ownStatus()).ctimeNs : undefined;
      this.#add('added', names, { now: entry, content: true }, writtenOf(now), undefined, missingSinceNs);
      return;
    }
    if (before.isDirectory()) await this.#inside(lower, names);
    const content = await this.#differ(upper, lower, names.at(-1) as Buffer, now, before);
    if (content || entry.mode !== entryOf(before).mode) await this.#modified(names, entry, lower, before, content, now);
  }

  async #differ(
    upper: Directory,
    lower: Directory,
    name: Buffer,
    now: BigIntStats,
    before: BigIntStats,
  ): Promise<boolean> {
    if (typeOf(now) !== typeOf(before)) return true;
    if (now.isSymbolicLink()) return !(await upper.link(name)).equals(await lower.link(name));
    if (!now.isFile()) return true;
    if (now.size !== before.size) return true;
    this.#compared += now.size;
    return this.#compared > MOST_COMPARED_BYTES || !(await haveSameContent(upper, lower, name));
  }

  async #deleted(lower: Directory, names: readonly Buffer[]): Promise<void> {
    const name = names.at(-1) as Buffer;
    const before = await lower.status(name);
    if (before === undefined || this.#comparison.mountPoints.has(keyOf(this.#pathOf(names)))) return;
    this.#add('deleted', names, { before: await describe(lower, name, before), content: true }, DELETED, before);
    if (before.isDirectory()) await this.#inside(lower, names);
  }

  /** All that is in a directory that is one no more. */
  async #inside(lower: Directory, names: readonly Buffer[]): Promise<void> {
    if (names.length > MOST_DEPTH) throw tooMuch(`directories below each other`, MOST_DEPTH, this.#pathOf(names));
    const directory = await lower.directory(names.at(-1) as Buffer);
    if (directory === undefined) return;
    try {
      for (const name of await directory.names()) await this.#deleted(directory, [...names, name]);
    } finally {
      await directory.close();
    }
  }

  async #modified(
    names: readonly Buffer[],
    now: Entry,
    lower: Directory | undefined,
    before: BigIntStats,
    content: boolean,
    status: BigIntStats,
  ): Promise<void> {
    const was = lower === undefined ? entryOf(before) : await describe(lower, names.at(-1) as Buffer, before);
    this.#add('modified', names, { now, before: was, content }, writtenOf(status), before);
  }

  #add(
    kind: Change['kind'],
    names: readonly Buffer[],
    what: Pick<Change, 'now' | 'before' | 'content'>,
    written: string,
    before?: BigIntStats,
    missingSinceNs?: bigint,
  ): void {
    const bytes = this.#pathOf(names);
    if (this.found.length === MOST_CHANGES) throw tooMuch('changes', MOST_CHANGES, bytes);
    this.#pathBytes += bytes.length;
    if (this.#pathBytes > MOST_PATH_BYTES) throw tooMuch('bytes of paths', MOST_PATH_BYTES, bytes);
    this.found.push({
      change: { kind, path: bytes.toString(), bytes, ...what },
      names,
      written,
      ...(missingSinceNs === undefined ? {} : { missingSinceNs }),
      ...(before === undefined ? {} : { changedNs: before.ctimeNs }),
    });
  }

  #isOpaque(upper: Directory): boolean {
    const { addon, attributes } = this.#comparison;
    return addon.attribute(upper.descriptor, `${attributes}overlay.opaque`) === OPAQUE;
  }

  /**
   * Whether it was copied from an original. Where the kernel can note that in no attribute (of users', on tmpfs, before Linux
   * 6.6) each file may have been: a conflict too many is better than one too few.
   */
  async #isCopy(upper: Directory, name: Buffer): Promise<boolean> {
    const { addon, attributes } = this.#comparison;
    const file = await upper.file(name).catch(() => undefined);
    if (file === undefined) return false;
    try {
      const noted = addon.attribute(file.fd, `${attributes}overlay.origin`);
      return noted >= 0 || noted === -EOPNOTSUPP;
    } finally {
      await file.close();
    }
  }

  #pathOf(names: readonly Buffer[]): Buffer {
    return Buffer.concat([this.#comparison.target, ...names.flatMap((name) => [SLASH, name])]);
  }
}

const SLASH = Buffer.from('/');
const DELETED = '';

/** How an overlay marks what was deleted: a device that no system has. */
function isWhiteout(status: BigIntStats): boolean {
  return status.isCharacterDevice() && status.rdev === 0n;
}

async function describe(directory: Directory, name: Buffer, status: BigIntStats): Promise<Entry> {
  return entryOf(status, status.isSymbolicLink() ? await directory.link(name) : undefined);
}

function tooMuch(what: string, most: number, path: Buffer): SandboxError {
  return new SandboxError('ERR_CHANGES', `Cannot list what was written: there are more than ${most} ${what}.`, {
    path: path.toString(),
    remedy: 'Look into the sandbox by a command, or lower limits.scratch so that less can be written.',
  });
}
