import { constants, type BigIntStats } from 'node:fs';
import { type FileHandle, lstat, open, readlink } from 'node:fs/promises';
import { NO_DIRECTORY, unlessMissing } from './missing.js';
import { below, namesIn, openDirectory } from './path.js';

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * An open directory, and what lies in it by one name each. No path of more than one name is ever looked up, and no link is
 * followed, so nothing that somebody puts there meanwhile leads elsewhere.
 */
export class Directory {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** One of the app's own choice: links on the way to it are followed. */
  static async open(path: string): Promise<Directory> {
    return new Directory(await open(path, O_RDONLY | O_DIRECTORY));
  }

  /** Its own, and not that of something in it. */
  async ownStatus(): Promise<BigIntStats> {
    return await this.#handle.stat({ bigint: true });
  }

  /** Which one it is, as init has noted it of the one that it has laid a layer over. */
  async identity(): Promise<string> {
    const { dev, ino } = await this.ownStatus();
    return `${dev}:${ino}`;
  }

  get descriptor(): number {
    return this.#handle.fd;
  }

  /** What `name` in it is called for calls that take a path. */
  at(name: Uint8Array): Buffer {
    return below(this.#handle, name);
  }

  async names(): Promise<readonly Buffer[]> {
    return (await namesIn(this.#handle)).toSorted((one, other) => Buffer.compare(one, other));
  }

  /** Nothing when it is not there. */
  async status(name: Uint8Array): Promise<BigIntStats | undefined> {
    return await unlessMissing(lstat(this.at(name), { bigint: true }), NO_DIRECTORY);
  }

  /** Nothing when there is none: no entry of that name, or one of another kind. */
  async directory(name: Uint8Array): Promise<Directory | undefined> {
    const handle = await unlessMissing(openDirectory(this.#handle, name), NO_DIRECTORY);
    return handle === undefined ? undefined : new Directory(handle);
  }

  /** What is found on the way down, one name after another: nothing where one of them is no directory. Open while `act` runs. */
  async within<T>(names: readonly Uint8Array[], act: (found: Directory | undefined) => Promise<T>): Promise<T> {
    const [name, ...rest] = names;
    if (name === undefined) return await act(this);
    const next = await this.directory(name);
    if (next === undefined) return await act(undefined);
    try {
      return await next.within(rest, act);
    } finally {
      await next.close();
    }
  }

  /** For reading, and whatever it is now: the caller looks. */
  async file(name: Uint8Array): Promise<FileHandle> {
    return await open(this.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }

  async link(name: Uint8Array): Promise<Buffer> {
    return await readlink(this.at(name), { encoding: 'buffer' });
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
