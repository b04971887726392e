import { constants } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, mkdtemp, open, rename, symlink, unlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { constants as system } from 'node:os';
import type { CopyBounds, Counts } from './copy-options.js';
import type { Entry } from './entry.js';
import { Malformed } from './frames.js';
import { below, type HostPlace, openDirectory, openHostPlace } from '../../host/path.js';
import { leadsInside } from '../../host/leads-inside.js';
import { type Deed, filesError, notUnderstood, tooLong, tooMany } from './problem.js';
import { removeTree } from '../../host/remove-tree.js';
import { quoted } from '../../quoted.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
const ROOT = Buffer.from('copy');
const REPLACED = Buffer.from('replaced');
/** The app can always enter and change what it has copied, or it could not even remove it. */
const OWNERS = 0o700;

export interface WriterBounds extends CopyBounds {
  readonly links: 'inside' | 'skip';
}

/**
 * Makes on the host what a sandbox sends, all of which may be meant to harm. It is made in a directory of the app's own beside the
 * target, by names of one component below directories that are open, and never over anything; then it is given its place.
 */
export class HostWriter {
  readonly #place: HostPlace;
  readonly #staging: FileHandle;
  readonly #stagingName: Buffer;
  readonly #deed: Deed;
  readonly #bounds: WriterBounds;
  readonly #counts: Counts;
  /** Directories that the next entry can be in, by its depth. */
  readonly #levels: FileHandle[];
  #file: FileHandle | undefined;
  #entries = 0;
  #left: number;
  #root: Entry['type'] | undefined;

  private constructor(place: HostPlace, staging: FileHandle, stagingName: Buffer, rest: WriterRest) {
    this.#place = place;
    this.#staging = staging;
    this.#stagingName = stagingName;
    this.#deed = rest.deed;
    this.#bounds = rest.bounds;
    this.#counts = rest.counts;
    this.#levels = [staging];
    this.#left = rest.bounds.limit;
  }

  static async open(hostPath: unknown, deed: Deed, bounds: WriterBounds, counts: Counts): Promise<HostWriter> {
    const place = await openHostPlace(hostPath);
    try {
      if (!bounds.overwrite) await expectNothing(place, deed);
      const made = await mkdtemp(below(place.directory, Buffer.from('.spawn-sandbox-')).toString());
      const name = Buffer.from(basename(made));
      return new HostWriter(place, await openDirectory(place.directory, name), name, { deed, bounds, counts });
    } catch (error) {
      await place.directory.close();
      throw error;
    }
  }

  get hasRoot(): boolean {
    return this.#root !== undefined;
  }

  async entry(entry: Entry): Promise<void> {
    await this.#endFile();
    this.#entries++;
    if (this.#entries > this.#bounds.entries) throw tooMany(this.#deed);
    if (entry.depth === 0 ? this.hasRoot : entry.depth >= this.#levels.length)
      this.#refuse('entry that is in no directory');
    while (this.#levels.length > entry.depth + 1) await this.#levels.pop()?.close();
    const directory = this.#levels[entry.depth];
    if (directory === undefined) this.#refuse('entry that is in no directory');
    if (entry.depth === 0) this.#root = entry.type;
    await this.#make(entry, directory, entry.depth === 0 ? ROOT : entry.name);
  }

  async data(bytes: Buffer): Promise<void> {
    if (this.#file === undefined) this.#refuse('data of no file');
    this.#left -= bytes.length;
    if (this.#left < 0) throw tooLong(this.#deed);
    this.#counts.bytes += bytes.length;
    for (let at = 0; at < bytes.length;) at += (await this.#file.write(bytes, at)).bytesWritten;
  }

  /** All of it has come: gives it its place. */
  async finish(): Promise<void> {
    await this.#endFile();
    const target = below(this.#place.directory, this.#place.name);
    const made = below(this.#staging, ROOT);
    if (this.#bounds.overwrite) await this.#replace(made, target);
    else if (this.#root === 'directory') {
      await expectNothing(this.#place, this.#deed);
      await rename(made, target);
    } else await placeNew(made, target);
  }

  /** Removes what has no place. */
  async close(): Promise<void> {
    try {
      await this.#file?.close();
      while (this.#levels.length > 1) await this.#levels.pop()?.close();
      await this.#staging.close();
      await removeTree(this.#place.directory, this.#stagingName);
    } finally {
      await this.#place.directory.close();
    }
  }

  async #make(entry: Entry, directory: FileHandle, name: Buffer): Promise<void> {
    const path = below(directory, name);
    switch (entry.type) {
      case 'directory':
        if (entry.depth >= this.#bounds.depth) this.#refuse('more directories within each other than were asked for');
        await mkdir(path, (entry.mode & 0o777) | OWNERS);
        this.#levels.push(await openDirectory(directory, name));
        this.#counts.directories++;
        return;
      case 'file':
        this.#file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode & 0o777);
        this.#counts.files++;
        return;
      case 'link':
        if (this.#bounds.links === 'skip') this.#counts.skipped++;
        else await this.#link(entry, path);
        return;
      default:
        this.#counts.skipped++;
    }
  }

  async #link({ depth, name, target }: Entry, path: Buffer): Promise<void> {
    if (!leadsInside(target, depth)) {
      const what = `${quoted(name.toString())} is a link to ${quoted(target.toString(), 200)}, which is not in the copy`;
      throw filesError(this.#deed, what, { remedy: "Leave links out by links: 'skip'." });
    }
    await symlink(target, path);
    this.#counts.links++;
  }

  async #endFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #replace(made: Buffer, target: Buffer): Promise<void> {
    const there = await lstat(target).catch(() => undefined);
    if (there === undefined || (!there.isDirectory() && this.#root !== 'directory')) {
      await rename(made, target);
      return;
    }
    // What was there goes with the directory in which the copy was made.
    const aside = below(this.#staging, REPLACED);
    await rename(target, aside);
    try {
      await rename(made, target);
    } catch (error) {
      await rename(aside, target);
      throw error;
    }
  }

  #refuse(why: string): never {
    throw notUnderstood(this.#deed, new Malformed(why));
  }
}

interface WriterRest {
  readonly deed: Deed;
  readonly bounds: WriterBounds;
  readonly counts: Counts;
}

async function expectNothing(place: HostPlace, deed: Deed): Promise<void> {
  const there = await lstat(below(place.directory, place.name)).catch(() => undefined);
  if (there === undefined) return;
  throw filesError(deed, `on the host, there is something at ${quoted(place.name.toString(), 200)} already`, {
    errno: system.errno.EEXIST,
    remedy: 'Choose another hostPath, or pass { overwrite: true }.',
  });
}

/** A new name for it, as a rename would replace what has come there meanwhile; where there are no two names for a file, that. */
async function placeNew(made: Buffer, target: Buffer): Promise<void> {
  try {
    await link(made, target);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw error;
    await rename(made, target);
    return;
  }
  await unlink(made);
}
