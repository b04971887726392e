import type { Readable } from 'node:stream';
import type { Duration, Size } from '../../units.js';

/** A path in the sandbox: absolute, or relative to its `cwd`. Bytes for what is no UTF-8. */
export type SandboxPath = string | Uint8Array;

/** What a file is given: all of it, or pieces of it. */
export type FileContent =
  string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array> | Readable;

/** What each operation can be given. */
export interface FileOptions {
  /** Longest time from its start in the sandbox to its end, in milliseconds or as `'10s'`. Removing what a write or copy has left can take 5 s more. @default '60s', and '5m' for copies */
  readonly timeout?: Duration;
  /** Ends the operation; it rejects with `ERR_FILES`, whose `cause` is the signal's reason. @default none */
  readonly signal?: AbortSignal;
}

/** What `read()` and `readStream()` can be given. */
export interface ReadOptions extends FileOptions {
  /** Most bytes, as a number or as `'16MiB'`; a longer file is an error. @default '64MiB', and '1GiB' for `readStream()` */
  readonly limit?: Size;
  /** Text instead of bytes; what is no UTF-8 is replaced. @default bytes */
  readonly encoding?: 'utf8';
}

/** What `write()` can be given. */
export interface WriteOptions extends FileOptions {
  /** Most bytes, as a number or as `'16MiB'`; longer content is an error, and nothing is written. @default '1GiB' */
  readonly limit?: Size;
  /** Permissions, without set-id and sticky bits. @default those of the file that is replaced, or 0o644 */
  readonly mode?: number;
  /** Makes the directories that are missing on the way, with mode 0o755. @default false */
  readonly parents?: boolean;
  /** Whether a file or link that is there is replaced. @default true */
  readonly overwrite?: boolean;
}

/** What `list()` can be given. */
export interface ListOptions extends FileOptions {
  /** Most entries; a directory that has more is an error. @default 10000 */
  readonly limit?: number;
  /** What is in directories below, too; up to 64 of them within each other. Links are not followed. @default false */
  readonly recursive?: boolean;
}

/** What `remove()` can be given. */
export interface RemoveOptions extends FileOptions {
  /** A directory with all that is in it. @default false: it has to be empty */
  readonly recursive?: boolean;
  /** Something that is not there is no error. @default false */
  readonly force?: boolean;
}

/** What bounds a copy. */
export interface CopyOptions extends FileOptions {
  /** Most bytes of all files together, as a number or as `'16MiB'`. @default '1GiB' */
  readonly limit?: Size;
  /** Most files, directories and links. @default 100000 */
  readonly entries?: number;
  /** Most directories within each other, 64 at most. @default 64 */
  readonly depth?: number;
  /** Whether what is at the target is replaced, by the whole of what is copied. @default false: it is an error */
  readonly overwrite?: boolean;
}

/** What `copyIn()` can be given. */
export interface CopyInOptions extends CopyOptions {
  /** Makes the directories that are missing on the way, with mode 0o755. @default false */
  readonly parents?: boolean;
}

/** What `copyOut()` can be given. */
export interface CopyOutOptions extends CopyOptions {
  /**
   * Symbolic links in what is copied. `'inside'`: those that lead to something in the copy are kept; any other ends the copy with an
   * error. `'skip'`: none is copied. @default 'inside'
   */
  readonly links?: 'inside' | 'skip';
}

/** What something in a directory can be. */
export type FileType = 'file' | 'directory' | 'link' | 'fifo' | 'socket' | 'device';

/** What a path is. Each word of it is a claim of the sandbox's. */
export interface FileStatus {
  /** What it is. Links are not followed. */
  readonly type: FileType;
  /** Bytes. What is beyond 2^53 is rounded. */
  readonly size: number;
  /** Permissions, with set-id and sticky bits. */
  readonly mode: number;
  /** Of the last change to its content, in milliseconds since 1970. */
  readonly mtimeMs: number;
  /** Of a link: where it leads. Bytes where that is no UTF-8. */
  readonly target?: string | Buffer;
}

/** An entry of a directory. */
export interface FileEntry extends FileStatus {
  /** One component. Bytes where it is no UTF-8. It may hold any character but `/` and NUL, so escape it where it is shown. */
  readonly name: string | Buffer;
  /** From the directory that was listed; never absolute, and without `.` and `..`. Bytes where it is no UTF-8. */
  readonly path: string | Buffer;
}

/** What was copied. */
export interface CopyResult {
  /** How many regular files. */
  readonly files: number;
  /** How many directories. */
  readonly directories: number;
  /** How many symbolic links. */
  readonly links: number;
  /** Bytes of all files together. */
  readonly bytes: number;
  /** How many were left out: fifos, sockets and devices, and with `links: 'skip'` links. */
  readonly skipped: number;
}

/**
 * The files of a sandbox that lives. Each operation is a command of the sandbox with a program of the library's: it can reach
 * what commands can, in the same way, and runs beside them. What is read, listed and copied out is what the sandbox's
 * commands left there, and no more to be trusted than their output.
 *
 * What cannot be done rejects with a `SandboxError`: `ERR_FILES`, with `path`, `errno` and `syscall`; `ERR_SANDBOX_CLOSED` when
 * the sandbox is over; `ERR_INVALID_OPTION`.
 */
export interface SandboxFiles {
  /** Writes a file: all of it or nothing, under a name that is replaced at once. Links on the way are followed, one at its end is replaced. */
  write(path: SandboxPath, content: FileContent, options?: WriteOptions): Promise<void>;
  /** Reads a regular file. Links are followed. */
  read(path: SandboxPath, options: ReadOptions & { readonly encoding: 'utf8' }): Promise<string>;
  read(path: SandboxPath, options?: ReadOptions): Promise<Buffer>;
  /** The same, as it comes. It begins with the first read, and whoever does not read on holds it up until `timeout`. */
  readStream(path: SandboxPath, options?: ReadOptions): Readable;
  /** What is in a directory, sorted by path. */
  list(path: SandboxPath, options?: ListOptions): Promise<readonly FileEntry[]>;
  /** What a path is; of a link, what the link itself is. */
  stat(path: SandboxPath, options?: FileOptions): Promise<FileStatus>;
  /** Removes a file, a link or a directory. Links are not followed. */
  remove(path: SandboxPath, options?: RemoveOptions): Promise<void>;
  /**
   * Copies a file, a link or a directory of the host's to `path`, which is there when all of it is. Permissions are kept, without set-id
   * and sticky bits; links are copied as they are, and not followed; fifos, sockets and devices are left out.
   */
  copyIn(hostPath: string, path: SandboxPath, options?: CopyInOptions): Promise<CopyResult>;
  /**
   * Copies a file or a directory to `hostPath`, which is there when all of it is. Permissions are kept as far as the app's umask lets
   * them, without set-id and sticky bits, and the app may enter and change each directory; fifos, sockets and devices are left out.
   */
  copyOut(path: SandboxPath, hostPath: string, options?: CopyOutOptions): Promise<CopyResult>;
}
