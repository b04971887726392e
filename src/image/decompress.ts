import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { ImageProblem } from './problem.js';
import type { Part } from './source.js';

const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** By what the bytes begin with, as media types of layers have often been wrong; none for what is not compressed. */
export async function decompressorOf(part: Part): Promise<Transform | undefined> {
  const start = Buffer.alloc(Math.min(ZSTD.length, part.size));
  const { bytesRead } = await part.file.read(start, 0, start.length, part.start);
  if (bytesRead >= GZIP.length && start.subarray(0, GZIP.length).equals(GZIP)) return zlib.createGunzip();
  return bytesRead === ZSTD.length && start.equals(ZSTD) ? zstd() : undefined;
}

function zstd(): Transform {
  // Node 22.15 and 23.8 have it, which the types of Node 20 do not know.
  const { createZstdDecompress } = zlib as { readonly createZstdDecompress?: () => Transform };
  if (createZstdDecompress !== undefined) return createZstdDecompress();
  throw new ImageProblem(
    `a layer is compressed by zstd, which Node ${process.versions.node} cannot read`,
    'Run Node 22.15 or newer, or make the image with layers compressed by gzip.',
  );
}
