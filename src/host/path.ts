import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { expectText, invalidOption } from '../options/check.js';

/** Where something of the host's is, or is to be: its directory is opened once, and what it leads to stays the same. */
export interface HostPlace {
  readonly directory: FileHandle;
  readonly name: Buffer;
}

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** The directories on the way are the app's word: links among them are followed. */
export async function openHostPlace(hostPath: unknown): Promise<HostPlace> {
  const path = resolve(expectText(hostPath, 'hostPath'));
  if (path === '/') throw invalidOption('hostPath', 'must not be the root directory');
  return { directory: await open(dirname(path), O_RDONLY | O_DIRECTORY), name: Buffer.from(basename(path)) };
}

/**
 * By way of an open directory, so that nobody can put a link to somewhere else on the way: what is copied may lie where a
 * sandbox can write. `name` is one component.
 */
export function below(directory: FileHandle, name: Uint8Array): Buffer {
  return Buffer.concat([itself(directory), name]);
}

export function itself(directory: FileHandle): Buffer {
  return Buffer.from(`/proc/self/fd/${directory.fd}/`);
}

export function openDirectory(parent: FileHandle, name: Uint8Array): Promise<FileHandle> {
  return open(below(parent, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/** In no order. */
export function namesIn(directory: FileHandle): Promise<readonly Buffer[]> {
  return readdir(itself(directory), { encoding: 'buffer' });
}
