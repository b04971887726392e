import { fchmodSync, fstatSync, openSync, read } from 'node:fs';
import { constants } from 'node:os';
import { promisify } from 'node:util';
import type { Table } from 'apache-arrow';
import { SandboxError } from '../../errors.js';
import { invalidOption } from '../../options/check.js';
import { quoted } from '../../quoted.js';
import { show } from '../../show.js';
import type { Addon } from '../../spawner/native.js';
import { systemReason } from '../../system-reason.js';
import { closeMemoryFile, fillMemoryFile, fillWith, makeMemoryFile } from './memory-file.js';
import { fileOf } from './step-table.js';

/** A file that is about to be handed to a step. */
export interface InputFile {
  readonly name: string;
  readonly descriptor: number;
  readonly bytes: number;
  /** It is somebody else's, and is to be shown through a mount that is read-only. Else it is sealed memory. */
  readonly readOnly: boolean;
  /** The step has it, or will not get it. */
  readonly release: () => void;
}

const READ_AT_ONCE = 4 * 2 ** 20;
const readLater = promisify(read);

/**
 * Opens or writes what a step is to read. A promise only where something has to be copied.
 *
 * @throws SandboxError `ERR_INVALID_OPTION` for what is no table; `ERR_TABLE` for what cannot be opened or written
 */
export function openInput(
  addon: Addon,
  name: string,
  source: unknown,
  freeze: boolean,
): InputFile | Promise<InputFile> {
  if (typeof source === 'string') {
    const opened = openPath(addon, name, source);
    return freeze ? frozen(addon, opened) : opened;
  }
  if (source instanceof Uint8Array) return fromBytes(addon, name, source);
  if (isArrowTable(source)) return fromTable(addon, name, source);
  throw invalidOption(`tables.${name}`, `must be a path, bytes or a table of apache-arrow, and is ${show(source)}`);
}

function openPath(addon: Addon, name: string, path: string): InputFile {
  if (path === '' || path.includes('\0')) throw invalidOption(`tables.${name}`, 'must be a path');
  const descriptor = addon.openFile(path);
  if (descriptor < 0) throw cannotOpen(name, path, systemReason(-descriptor), -descriptor);
  const release = (): void => {
    addon.close(descriptor);
  };
  const found = fstatSync(descriptor);
  const wrong = !found.isFile() ? 'it is not a regular file' : found.size === 0 ? 'it is empty' : undefined;
  if (wrong !== undefined) {
    release();
    throw cannotOpen(name, path, wrong);
  }
  return { name, descriptor, bytes: found.size, readOnly: true, release };
}

/** As it is now: changes of others do not reach the step, and a file that grows as fast as it is copied fills no memory. */
async function frozen(addon: Addon, { name, descriptor, bytes, release }: InputFile): Promise<InputFile> {
  try {
    const copy = makeMemoryFile(addon);
    const buffer = Buffer.allocUnsafe(READ_AT_ONCE);
    await fillWith(addon, copy, async (at) => {
      const { bytesRead } = await readLater(descriptor, buffer, 0, Math.min(buffer.length, bytes - at), at);
      return buffer.subarray(0, bytesRead);
    });
    return ofMemory(addon, name, copy, fstatSync(copy).size, () => {
      addon.close(copy);
    });
  } finally {
    release();
  }
}

function fromBytes(addon: Addon, name: string, bytes: Uint8Array): InputFile | Promise<InputFile> {
  if (bytes.length === 0) throw invalidOption(`tables.${name}`, 'must be an Arrow file, and is empty');
  const descriptor = makeMemoryFile(addon);
  const file = (): InputFile =>
    ofMemory(addon, name, descriptor, bytes.length, () => {
      addon.close(descriptor);
    });
  const filled = fillMemoryFile(addon, descriptor, bytes);
  return filled === undefined ? file() : filled.then(file);
}

/**
 * Each step has it opened by itself, for reading: a descriptor that was copied shares its position and flags with all others, so one step
 * could move that of another. The memory cannot be changed either way.
 */
function ofMemory(addon: Addon, name: string, memory: number, bytes: number, close: () => void): InputFile {
  try {
    fchmodSync(memory, 0o444); // a step that has the app's own identity may have closed it to the next one
    const descriptor = openSync(`/proc/self/fd/${memory}`, 'r');
    const release = (): void => {
      closeMemoryFile(addon, descriptor, bytes);
    };
    return { name, descriptor, bytes, readOnly: false, release };
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException;
    throw new SandboxError('ERR_TABLE', `Cannot open the table '${name}' for the step: ${code}.`, { cause });
  } finally {
    close();
  }
}

/** One that a step returned goes on as the file that it is. */
function fromTable(addon: Addon, name: string, table: Table): InputFile | Promise<InputFile> {
  const file = fileOf(table);
  if (file === undefined) return written(addon, name, table);
  file.hold();
  return ofMemory(addon, name, file.descriptor, file.bytes, () => {
    file.release();
  });
}

async function written(addon: Addon, name: string, table: Table): Promise<InputFile> {
  const { tableToIPC } = await import('apache-arrow');
  return fromBytes(addon, name, tableToIPC(table, 'file'));
}

/** By what it has, since the app may have another copy of the package. */
function isArrowTable(value: unknown): value is Table {
  if (typeof value !== 'object' || value === null) return false;
  return 'schema' in value && 'batches' in value && Array.isArray(value.batches);
}

function cannotOpen(name: string, path: string, reason: string, errno?: number): SandboxError {
  const remedy =
    errno === constants.errno.ELOOP ? 'Give the path without symbolic links: fs.realpathSync() answers it.' : undefined;
  return new SandboxError('ERR_TABLE', `Cannot take ${quoted(path, 4096)} for the table '${name}': ${reason}.`, {
    path,
    errno,
    remedy,
  });
}
