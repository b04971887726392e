import { constants, type Dir, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, opendir, readlink } from 'node:fs/promises';
import type { CopyBounds, Counts } from './copy-options.js';
import { encodeEntry } from './entry.js';
import { encodeData, MOST_DATA } from './frames.js';
import { below, type HostPlace, itself, openDirectory, openHostPlace } from '../../host/path.js';
import { type Deed, filesError, hostFailed, tooLong, tooMany } from './problem.js';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const NOTHING = Buffer.alloc(0);

interface Level {
  readonly handle: FileHandle;
  readonly entries: Dir;
}

/**
 * Reads a file or a tree of the host's, to be sent. A sandbox may be able to change it meanwhile: each level is an open
 * directory, and no link is followed.
 */
export class HostReader {
  readonly #place: HostPlace;
  readonly #hostPath: unknown;
  readonly #deed: Deed;
  readonly #bounds: CopyBounds;
  readonly #counts: Counts;
  readonly #levels: Level[] = [];
  readonly #buffer = Buffer.allocUnsafe(MOST_DATA);
  #left: number;
  #closed = false;

  private constructor(place: HostPlace, hostPath: unknown, deed: Deed, bounds: CopyBounds, counts: Counts) {
    this.#place = place;
    this.#hostPath = hostPath;
    this.#deed = deed;
    this.#bounds = bounds;
    this.#counts = counts;
    this.#left = bounds.limit;
  }

  /** @throws SandboxError `ERR_FILES` when there is nothing that can be copied */
  static async open(hostPath: unknown, deed: Deed, bounds: CopyBounds, counts: Counts): Promise<HostReader> {
    try {
      const place = await openHostPlace(hostPath);
      const reader = new HostReader(place, hostPath, deed, bounds, counts);
      const status = await lstat(below(place.directory, place.name)).catch(async (error: unknown) => {
        await reader.close();
        throw error;
      });
      if (status.isFile() || status.isDirectory() || status.isSymbolicLink()) return reader;
      await reader.close();
    } catch (error) {
      throw hostFailed(deed, error, hostPath);
    }
    throw filesError(deed, 'what is to be copied is neither a file nor a directory nor a link');
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#leaveAll();
    await this.#place.directory.close();
  }

  async *frames(): AsyncGenerator<Buffer> {
    try {
      yield* this.#one(this.#place.directory, this.#place.name, 0);
      for (let level = this.#levels.at(-1); level !== undefined && !this.#closed; level = this.#levels.at(-1)) {
        const found = await level.entries.read();
        if (found === null) await this.#leave();
        else yield* this.#one(level.handle, found.name as unknown as Buffer, this.#levels.length);
      }
    } catch (error) {
      throw hostFailed(this.#deed, error, this.#hostPath);
    } finally {
      await this.#leaveAll(); // a directory may have been on its way when all was closed
    }
  }

  /** Each in turn sends itself; a directory is left open for what it contains. */
  async *#one(directory: FileHandle, name: Buffer, depth: number): AsyncGenerator<Buffer> {
    const status = await lstat(below(directory, name));
    if (status.isDirectory()) yield* this.#directory(directory, name, depth);
    else if (status.isFile()) yield* this.#file(directory, name, depth);
    else if (status.isSymbolicLink()) yield this.#link(name, depth, await readTarget(below(directory, name)));
    else this.#counts.skipped++;
  }

  async *#directory(parent: FileHandle, name: Buffer, depth: number): AsyncGenerator<Buffer> {
    if (depth === this.#bounds.depth) {
      throw filesError(this.#deed, 'there are more directories within each other than depth allows', {
        remedy: 'Raise depth; 64 is the most.',
      });
    }
    const handle = await openDirectory(parent, name);
    try {
      this.#levels.push({ handle, entries: await opendir(itself(handle), { encoding: 'buffer' as BufferEncoding }) });
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#counts.directories++;
    yield this.#entry('directory', name, depth, await handle.stat());
  }

  async *#file(directory: FileHandle, name: Buffer, depth: number): AsyncGenerator<Buffer> {
    const handle = await open(below(directory, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const status = await handle.stat();
      if (!status.isFile()) throw new Error('what was a file has become something else');
      this.#counts.files++;
      yield this.#entry('file', name, depth, status);
      for (;;) {
        const { bytesRead } = await handle.read(this.#buffer, 0, MOST_DATA);
        if (bytesRead === 0) return;
        this.#left -= bytesRead;
        this.#counts.bytes += bytesRead;
        if (this.#left < 0) throw tooLong(this.#deed);
        yield* encodeData(this.#buffer.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
  }

  #link(name: Buffer, depth: number, target: Buffer): Buffer {
    this.#counts.links++;
    return this.#entry('link', name, depth, { mode: 0o777 }, target);
  }

  #entry(
    type: 'file' | 'directory' | 'link',
    name: Buffer,
    depth: number,
    { mode }: Pick<Stats, 'mode'>,
    target: Buffer = NOTHING,
  ): Buffer {
    const { files, directories, links } = this.#counts;
    if (files + directories + links > this.#bounds.entries) throw tooMany(this.#deed);
    return encodeEntry({ type, depth, mode: mode & 0o777, name: depth === 0 ? NOTHING : name, target });
  }

  async #leaveAll(): Promise<void> {
    while (this.#levels.length > 0) await this.#leave();
  }

  async #leave(): Promise<void> {
    const level = this.#levels.pop();
    await level?.entries.close();
    await level?.handle.close();
  }
}

async function readTarget(path: Buffer): Promise<Buffer> {
  return readlink(path, { encoding: 'buffer' });
}
