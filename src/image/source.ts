import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Budget } from './budget.js';
import { decompressorOf } from './decompress.js';
import { ImageProblem, named } from './problem.js';
import { readTar } from './tar.js';
import { uncompressed } from './uncompressed.js';

const { O_DIRECTORY, O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Of names that lead to others, as older archives have. */
const MOST_LINKS = 8;
const MOST_FILES = 10_000;

/** Of a name in an archive; what a layout needs is shorter. */
const LONGEST_NAME = 300;

/** A run of bytes in an open file. */
export interface Part {
  readonly file: FileHandle;
  readonly start: number;
  readonly size: number;
}

/** One that is closed by who asked for it. */
export interface OpenPart extends Part {
  close(): Promise<void>;
}

/** The files of a layout, by their names in it. */
export interface Source {
  /** Nothing when there is no such file. */
  part(name: string): Promise<OpenPart | undefined>;
  close(): Promise<void>;
}

/** `staging`: an empty directory for what has to be uncompressed first. */
export async function openSource(
  path: string,
  staging: () => Promise<string>,
  budget: Budget,
  signal: AbortSignal | undefined,
): Promise<Source> {
  const file = await open(path, O_RDONLY | O_NONBLOCK);
  try {
    const status = await file.stat();
    if (status.isDirectory()) return new DirectorySource(await reopened(file));
    if (!status.isFile()) throw new ImageProblem('it is neither a file nor a directory');
    const whole: Part = { file, start: 0, size: status.size };
    if ((await decompressorOf(whole)) === undefined) return await ArchiveSource.open(whole, signal);
    const plain = await uncompressed(whole, await staging(), budget, signal);
    await file.close();
    return await ArchiveSource.open(plain, signal);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function reopened(directory: FileHandle): Promise<FileHandle> {
  const handle = await open(`/proc/self/fd/${directory.fd}`, O_RDONLY | O_DIRECTORY);
  await directory.close();
  return handle;
}

class DirectorySource implements Source {
  readonly #directory: FileHandle;

  constructor(directory: FileHandle) {
    this.#directory = directory;
  }

  async part(name: string): Promise<OpenPart | undefined> {
    const file = await this.#open(name);
    if (file === undefined) return undefined;
    try {
      const status = await file.stat();
      if (!status.isFile()) throw new ImageProblem(`${named(name)} in it is no file`);
      return { file, start: 0, size: status.size, close: () => file.close() };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#directory.close();
  }

  async #open(name: string): Promise<FileHandle | undefined> {
    try {
      // Directories on the way are the app's choice, as the layout is; names in it are of fixed form.
      return await open(`/proc/self/fd/${this.#directory.fd}/${name}`, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  }
}

type Indexed = { readonly start: number; readonly size: number } | { readonly link: string };

/** An archive is read once for where its files begin, and never unpacked. */
class ArchiveSource implements Source {
  readonly #file: FileHandle;
  readonly #index = new Map<string, Indexed>();

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(part: Part, signal: AbortSignal | undefined): Promise<ArchiveSource> {
    const source = new ArchiveSource(part.file);
    await readTar(part, { archive: () => undefined }, signal, async ({ header }) => {
      const name = posix.normalize(`/${header.name}`).slice(1);
      if (name.length > LONGEST_NAME) return Promise.resolve();
      if (source.#index.size >= MOST_FILES) throw new ImageProblem(`it has more than ${MOST_FILES} files`);
      if (header.type === 'file') {
        source.#index.set(name, { start: header.byteOffset, size: header.size });
      } else if (header.type === 'symlink') {
        source.#index.set(name, { link: posix.join('/', posix.dirname(name), header.linkname ?? '').slice(1) });
      }
      return Promise.resolve();
    });
    return source;
  }

  part(name: string): Promise<OpenPart | undefined> {
    let found = this.#index.get(name);
    for (let links = 0; found !== undefined && 'link' in found && links < MOST_LINKS; links++)
      found = this.#index.get(found.link);
    return Promise.resolve(
      found === undefined || 'link' in found
        ? undefined
        : { file: this.#file, ...found, close: () => Promise.resolve() },
    );
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
