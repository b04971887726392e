import { opendir } from 'node:fs/promises';
import { itself } from '../host/path.js';
import { type Level, levelOf } from './open-tree.js';

/** When directories were changed last, by inode: each entry that is made in one changes that, so it is set when all is done. */
export type DirectoryTimes = ReadonlyMap<bigint, number>;

export async function setDirectoryTimes(
  level: Level,
  times: DirectoryTimes,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  for (const name of await directoriesIn(level)) {
    const inner = await levelOf(level.handle, name);
    try {
      await setDirectoryTimes(inner, times, signal);
    } finally {
      await inner.handle.close();
    }
  }
  const time = times.get(level.inode);
  if (time !== undefined) await level.handle.utimes(time, time);
}

async function directoriesIn({ handle }: Level): Promise<readonly Buffer[]> {
  const names: Buffer[] = [];
  for await (const entry of await opendir(itself(handle), { encoding: 'buffer' as BufferEncoding }))
    if (entry.isDirectory()) names.push(entry.name as unknown as Buffer);
  return names;
}
