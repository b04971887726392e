import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { applyEntry } from './apply.js';
import type { Budget } from './budget.js';
import { setDirectoryTimes } from './directory-times.js';
import type { Layer } from './image.js';
import { OpenTree } from './open-tree.js';
import { ImageProblem } from './problem.js';
import { readTar } from './tar.js';

/**
 * Lays the layers over each other in the directory `name`. Each is read once, and checked when it has been: whoever calls this uses nothing of
 * it unless all have been what they were to be.
 */
export async function applyLayers(
  layers: readonly Layer[],
  parent: FileHandle,
  name: Buffer,
  budget: Budget,
  signal: AbortSignal | undefined,
): Promise<void> {
  const tree = await OpenTree.open(parent, name, budget);
  try {
    for (const layer of layers) {
      await tree.nextLayer();
      await applyLayer(layer, tree, budget, signal);
    }
    await setDirectoryTimes(tree.root, tree.times, signal);
  } finally {
    await tree.close();
  }
}

async function applyLayer(
  layer: Layer,
  tree: OpenTree,
  budget: Budget,
  signal: AbortSignal | undefined,
): Promise<void> {
  const stored = createHash('sha256');
  const archive = createHash('sha256');
  const watching = {
    ...(layer.digest === undefined ? {} : { stored: (bytes: Buffer) => stored.update(bytes) }),
    archive: (bytes: Buffer) => {
      budget.bytes(bytes.length);
      archive.update(bytes);
    },
  };
  const part = await layer.open();
  try {
    await readTar(part, watching, signal, (entry) => applyEntry(tree, entry, budget));
  } finally {
    await part.close();
  }
  if (layer.digest !== undefined) expectDigest(stored, layer.digest);
  expectDigest(archive, layer.diffId);
}

function expectDigest(hash: Hash, wanted: string): void {
  const found = `sha256:${hash.digest('hex')}`;
  if (found !== wanted) throw new ImageProblem(`layer ${wanted} is damaged: its digest is ${found}`);
}
