import type { FileHandle } from 'node:fs/promises';
import type { Directory } from '../../host/directory.js';
import { fill } from '../../host/fill.js';

const CHUNK = 256 << 10;

/** Whether two files of that name, of the same size, contain the same. What cannot be read is taken to differ. */
export async function haveSameContent(one: Directory, other: Directory, name: Buffer): Promise<boolean> {
  const files: FileHandle[] = [];
  try {
    for (const directory of [one, other]) files.push(await directory.file(name));
    return await areSame(files as [FileHandle, FileHandle]);
  } catch {
    return false;
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

async function areSame([one, other]: readonly [FileHandle, FileHandle]): Promise<boolean> {
  const [mine, theirs] = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)];
  for (let at = 0; ;) {
    const read = await fill(one, mine, at);
    if (
      read !== (await fill(other, theirs, at)) ||
      Buffer.compare(mine.subarray(0, read), theirs.subarray(0, read)) !== 0
    )
      return false;
    if (read < CHUNK) return true;
    at += read;
  }
}
