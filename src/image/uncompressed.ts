import { constants } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Budget } from './budget.js';
import { decompressorOf } from './decompress.js';
import type { Part } from './source.js';
import { partStream } from './tar.js';

const { O_CREAT, O_EXCL, O_RDWR } = constants;

/** A copy that is not compressed, in a file without a name: it goes when it is closed. */
export async function uncompressed(
  part: Part,
  directory: string,
  budget: Budget,
  signal: AbortSignal | undefined,
): Promise<Part> {
  const path = join(directory, 'uncompressed');
  const file = await open(path, O_RDWR | O_CREAT | O_EXCL, 0o600);
  try {
    await unlink(path);
    const decompress = await decompressorOf(part);
    let size = 0;
    await pipeline(
      partStream(part),
      decompress ?? new PassThrough(),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          budget.bytes(chunk.length);
          for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
          size += chunk.length;
        }
      },
      { ...(signal === undefined ? {} : { signal }) },
    );
    return { file, start: 0, size };
  } catch (error) {
    await file.close();
    throw error;
  }
}
