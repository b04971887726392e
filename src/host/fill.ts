import type { FileHandle } from 'node:fs/promises';

/** Reads as much as there is from `at` on, and there is room for; answers how many bytes. */
export async function fill(file: FileHandle, into: Buffer, at: number): Promise<number> {
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(into, length, into.length - length, at + length);
    length += bytesRead;
    if (bytesRead === 0 || length === into.length) return length;
  }
}
