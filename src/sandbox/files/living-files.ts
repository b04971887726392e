import type { Readable } from 'node:stream';
import { copyIn } from './copy-in.js';
import { copyOut } from './copy-out.js';
import { listDirectory, removePath, statPath } from './look.js';
import type { StartFiles } from './operation.js';
import { pathOf } from './options.js';
import { planRead, readAsItComes, readWhole } from './read.js';
import type {
  CopyInOptions,
  CopyOutOptions,
  CopyResult,
  FileContent,
  FileEntry,
  FileOptions,
  FileStatus,
  ListOptions,
  ReadOptions,
  RemoveOptions,
  SandboxFiles,
  SandboxPath,
  WriteOptions,
} from './types.js';
import { planWrite, writeFile } from './write.js';

/** The files of one sandbox. */
export class LivingFiles implements SandboxFiles {
  readonly #start: StartFiles;
  readonly #cwd: string;

  /** `cwd`: of the sandbox, absolute. */
  constructor(start: StartFiles, cwd: string) {
    this.#start = start;
    this.#cwd = cwd;
  }

  async write(path: SandboxPath, content: FileContent, options?: WriteOptions): Promise<void> {
    await writeFile(this.#start, planWrite(pathOf(path, this.#cwd), content, options));
  }

  read(path: SandboxPath, options: ReadOptions & { readonly encoding: 'utf8' }): Promise<string>;
  read(path: SandboxPath, options?: ReadOptions): Promise<Buffer>;
  async read(path: SandboxPath, options?: ReadOptions): Promise<string | Buffer> {
    return readWhole(this.#start, planRead(pathOf(path, this.#cwd), options, false));
  }

  readStream(path: SandboxPath, options?: ReadOptions): Readable {
    return readAsItComes(this.#start, planRead(pathOf(path, this.#cwd), options, true));
  }

  async list(path: SandboxPath, options?: ListOptions): Promise<readonly FileEntry[]> {
    return listDirectory(this.#start, pathOf(path, this.#cwd), options);
  }

  async stat(path: SandboxPath, options?: FileOptions): Promise<FileStatus> {
    return statPath(this.#start, pathOf(path, this.#cwd), options);
  }

  async remove(path: SandboxPath, options?: RemoveOptions): Promise<void> {
    await removePath(this.#start, pathOf(path, this.#cwd), options);
  }

  async copyIn(hostPath: string, path: SandboxPath, options?: CopyInOptions): Promise<CopyResult> {
    return copyIn(this.#start, hostPath, pathOf(path, this.#cwd), options);
  }

  async copyOut(path: SandboxPath, hostPath: string, options?: CopyOutOptions): Promise<CopyResult> {
    return copyOut(this.#start, pathOf(path, this.#cwd), hostPath, options);
  }
}
