import { chmod, mkdir, mkdtemp } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { expectInteger, expectObject, expectText, invalidOption } from '../options/check.js';
import { checkSignal } from '../options/signal.js';
import { below, type HostPlace, openDirectory, openHostPlace } from '../host/path.js';
import { removeTree } from '../host/remove-tree.js';
import { parseSize } from '../units.js';
import { Budget } from './budget.js';
import { type Image, readImage } from './image.js';
import { applyLayers } from './layers.js';
import { imageError } from './problem.js';
import { dropRecord, isUnpacked, settle } from './record.js';
import { openSource } from './source.js';
import type { UnpackedImage, UnpackOptions } from './types.js';

const GIBIBYTE = 2 ** 30;
const USUAL_LIMIT = 16 * GIBIBYTE;
const USUAL_ENTRIES = 1_000_000;
const MOST_ENTRIES = 100_000_000;
const ROOT = Buffer.from('root');

interface Bounds {
  readonly limit: number;
  readonly entries: number;
  readonly tag: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Makes of an image a directory to be given as `filesystem.root`. Everything in the image is taken for hostile: what it holds is checked against its
 * digests, and nothing is ever written outside of `directory`.
 *
 * @param source an OCI image layout: a directory, or an archive of one as `docker save` writes it, also compressed by gzip
 * @param directory is made as a whole or not at all. When it is there already, and was unpacked from the same image, nothing is done:
 *   call it at every start. What it was unpacked from is kept in `directory` + `.json`.
 * @throws SandboxError `ERR_IMAGE` when the image is not what it must be or too large, or `directory` is something else
 */
export async function unpackImage(source: string, directory: string, options?: UnpackOptions): Promise<UnpackedImage> {
  const from = resolve(expectText(source, 'source'));
  const to = resolve(expectText(directory, 'directory'));
  if (to === '/') throw invalidOption('directory', 'must not be the root directory');
  const bounds = boundsOf(options);
  try {
    bounds.signal?.throwIfAborted();
    const place = await openHostPlace(to);
    try {
      return { directory: to, ...(await unpack(from, place, bounds)) };
    } finally {
      await place.directory.close();
    }
  } catch (error) {
    throw imageError(source, error, bounds.signal);
  }
}

function boundsOf(options: unknown): Bounds {
  const given = expectObject(options, 'options', ['limit', 'entries', 'tag', 'signal']);
  return {
    limit: given['limit'] === undefined ? USUAL_LIMIT : parseSize(given['limit'], 'limit'),
    entries: expectInteger(given['entries'] ?? USUAL_ENTRIES, 'entries', 1, MOST_ENTRIES),
    tag: given['tag'] === undefined ? undefined : expectText(given['tag'], 'tag'),
    signal: checkSignal(given['signal']),
  };
}

type Found = Omit<UnpackedImage, 'directory'>;

async function unpack(from: string, place: HostPlace, bounds: Bounds): Promise<Found> {
  const staging = new Staging(place);
  try {
    const source = await openSource(from, () => staging.path(), new Budget(bounds.limit, 1), bounds.signal);
    try {
      const image = await readImage(source, bounds.tag);
      const existed = (await isUnpacked(place, image.digest)) || (await make(image, place, staging, bounds));
      return { digest: image.digest, existed, ...image.settings };
    } finally {
      await source.close();
    }
  } finally {
    await staging.remove();
  }
}

/** True when another app has made it meanwhile. */
async function make(image: Image, place: HostPlace, staging: Staging, bounds: Bounds): Promise<boolean> {
  await dropRecord(place);
  const path = await staging.path();
  const handle = await openDirectory(place.directory, Buffer.from(basename(path)));
  try {
    await mkdir(below(handle, ROOT), 0o700);
    await chmod(below(handle, ROOT), 0o755);
    await applyLayers(image.layers, handle, ROOT, new Budget(bounds.limit, bounds.entries), bounds.signal);
    bounds.signal?.throwIfAborted();
    return await settle(place, below(handle, ROOT), handle, image.digest);
  } finally {
    await handle.close();
  }
}

/** A directory of the app's own beside the one that is to be made: what is finished there is renamed. */
class Staging {
  readonly #place: HostPlace;
  #made: string | undefined;

  constructor(place: HostPlace) {
    this.#place = place;
  }

  async path(): Promise<string> {
    this.#made ??= await mkdtemp(below(this.#place.directory, Buffer.from('.spawn-sandbox-')).toString());
    return this.#made;
  }

  async remove(): Promise<void> {
    if (this.#made !== undefined) await removeTree(this.#place.directory, Buffer.from(basename(this.#made)));
  }
}
