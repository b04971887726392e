import { type FileHandle, rmdir, unlink } from 'node:fs/promises';
import { NO_DIRECTORY, unlessMissing } from './missing.js';
import { below, namesIn, openDirectory } from './path.js';

/** Removes what lies in an open directory of the host's, by names of one component: no link that somebody puts there is followed. */
export async function removeTree(directory: FileHandle, name: Buffer): Promise<void> {
  const path = below(directory, name);
  const handle = await unlessMissing(openDirectory(directory, name), NO_DIRECTORY);
  if (handle === undefined) {
    await unlessMissing(unlink(path));
    return;
  }
  try {
    for (const one of await namesIn(handle)) await removeTree(handle, one);
  } finally {
    await handle.close();
  }
  await unlessMissing(rmdir(path));
}
