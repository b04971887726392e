import { type FileHandle, opendir, rmdir, unlink } from 'node:fs/promises';
import { below, itself, openDirectory } from './path.js';

/** Removes what lies in an open directory of the host's, by names of one component: no link that somebody puts there is followed. */
export async function removeTree(directory: FileHandle, name: Buffer): Promise<void> {
  const path = below(directory, name);
  const handle = await openAnyway(directory, name);
  if (handle === undefined) {
    await unlink(path).catch(passOverMissing);
    return;
  }
  try {
    const names: Buffer[] = [];
    for await (const entry of await opendir(itself(handle), { encoding: 'buffer' as BufferEncoding })) {
      names.push(entry.name as unknown as Buffer);
    }
    for (const one of names) await removeTree(handle, one);
  } finally {
    await handle.close();
  }
  await rmdir(path).catch(passOverMissing);
}

/** Undefined for what is no directory. */
async function openAnyway(directory: FileHandle, name: Buffer): Promise<FileHandle | undefined> {
  try {
    return await openDirectory(directory, name);
  } catch (error) {
    if (['ENOTDIR', 'ELOOP', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

function passOverMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
