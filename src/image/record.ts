import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, unlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { unlessMissing } from '../host/missing.js';
import { below, type HostPlace } from '../host/path.js';
import { ImageProblem, named } from './problem.js';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** Of what unpacking makes of an image: raised when that changes. */
const FORMAT = 1;
const LONGEST = 1000;
const FORM = /^\{"format":\d+,"image":"sha256:[0-9a-f]{64}"\}\n$/;
/** Another app may have put the directory there, and not its record yet. */
const PATIENCE = 2000;
const STEP = 50;

/** Beside the directory and not in it, where it would be part of the system. */
function recordName({ name }: HostPlace): Buffer {
  return Buffer.concat([name, Buffer.from('.json')]);
}

/** Whether the directory is there and was unpacked from this. @throws ImageProblem when it was not */
export async function isUnpacked(place: HostPlace, digest: string): Promise<boolean> {
  if ((await statusOf(place)) === undefined) return false;
  const said = await readRecord(place);
  if (said === textOf(digest)) return true;
  const what = said === undefined ? 'was not unpacked from an image' : 'was unpacked from another image';
  throw new ImageProblem(`${named(place.name)} exists, and ${what}`, 'Remove it, or choose another directory.');
}

/** Gives the tree its place, and then says what it is. True when somebody else was faster. */
export async function settle(place: HostPlace, made: Buffer, staging: FileHandle, digest: string): Promise<boolean> {
  if (await hasAppeared(place, digest)) return true;
  try {
    await rename(made, below(place.directory, place.name));
  } catch (error) {
    if (await hasAppeared(place, digest)) return true;
    throw error;
  }
  const record = below(staging, Buffer.from('record'));
  const file = await open(record, 'wx', 0o644);
  try {
    await file.writeFile(textOf(digest));
  } finally {
    await file.close();
  }
  await rename(record, below(place.directory, recordName(place)));
  return false;
}

/** One that is left of a directory that was removed would speak for the next. @throws ImageProblem when it is something else of the app's */
export async function dropRecord(place: HostPlace): Promise<void> {
  const said = await readRecord(place);
  if (said === undefined) return;
  if (!FORM.test(said)) {
    const what = `${named(recordName(place))} exists, and is not what unpacking has put there`;
    throw new ImageProblem(what, 'Move it, or choose another directory.');
  }
  await unlessMissing(unlink(below(place.directory, recordName(place))));
}

async function hasAppeared(place: HostPlace, digest: string): Promise<boolean> {
  for (let waited = 0; waited < PATIENCE; waited += STEP) {
    if ((await statusOf(place)) === undefined) return false;
    if ((await readRecord(place)) !== undefined) break;
    await delay(STEP);
  }
  return await isUnpacked(place, digest);
}

function statusOf(place: HostPlace): Promise<unknown> {
  return unlessMissing(lstat(below(place.directory, place.name)));
}

async function readRecord(place: HostPlace): Promise<string | undefined> {
  const path = below(place.directory, recordName(place));
  const file = await unlessMissing(open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  try {
    const buffer = Buffer.alloc(LONGEST);
    const read = await file?.read(buffer, 0, LONGEST, 0);
    return read === undefined ? undefined : buffer.subarray(0, read.bytesRead).toString();
  } finally {
    await file?.close();
  }
}

function textOf(digest: string): string {
  return `${JSON.stringify({ format: FORMAT, image: digest })}\n`;
}
