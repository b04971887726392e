import { expectInteger, expectObject } from '../../options/check.js';
import { decodeEntry, type Entry, statusOf, textOrBytes } from './entry.js';
import { type Frame, FRAME, Malformed } from './frames.js';
import { Operation, type StartFiles } from './operation.js';
import { flagOption, operationOptions } from './options.js';
import { type Deed, filesError, notUnderstood } from './problem.js';
import type { FileEntry, FileStatus } from './types.js';

const USUAL_ENTRIES = 10_000;
const MOST_ENTRIES = 10_000_000;
export const MOST_DEPTH = 64;
/** Of all paths and targets together: 10,000 can be of 16 KiB each. */
const MOST_BYTES = 32 * 2 ** 20;
const SLASH = Buffer.from('/');

export async function statPath(start: StartFiles, path: Buffer, options: unknown): Promise<FileStatus> {
  const given = expectObject(options, 'options', ['timeout', 'signal']);
  const deed: Deed = { verb: 'look at', path: path.toString() };
  const operation = new Operation(start, deed, ['stat', path], operationOptions(given));
  let found: Entry | undefined;
  for await (const frame of operation.frames()) {
    if (found !== undefined) throw notUnderstood(deed, new Malformed('more than one entry'));
    found = entryOf(frame, deed);
  }
  if (found === undefined || found.depth > 0) throw notUnderstood(deed, new Malformed('no entry'));
  return statusOf(found);
}

export async function listDirectory(start: StartFiles, path: Buffer, options: unknown): Promise<readonly FileEntry[]> {
  const given = expectObject(options, 'options', ['timeout', 'signal', 'limit', 'recursive']);
  const limit = given['limit'] === undefined ? USUAL_ENTRIES : expectInteger(given['limit'], 'limit', 0, MOST_ENTRIES);
  const depth = flagOption(given, 'recursive') ? MOST_DEPTH : 1;
  const deed: Deed = { verb: 'list', path: path.toString() };
  const words = ['list', path, String(limit), String(depth)];
  const listing = new Listing(limit, depth);
  for await (const frame of new Operation(start, deed, words, operationOptions(given)).frames()) {
    const entry = entryOf(frame, deed);
    try {
      listing.add(entry);
    } catch (error) {
      throw notUnderstood(deed, error);
    }
  }
  return listing.sorted();
}

export function entryOf({ kind, payload }: Frame, deed: Deed): Entry {
  if (kind !== FRAME.entry) throw notUnderstood(deed, new Malformed(`frame of kind ${kind}`));
  try {
    return decodeEntry(payload);
  } catch (error) {
    throw notUnderstood(deed, error);
  }
}

/** Entries, each of which follows the directory that it is in. */
export class Listing {
  readonly #limit: number;
  readonly #depth: number;
  #bytes = 0;
  readonly #found: { readonly path: Buffer; readonly entry: FileEntry }[] = [];
  /** Of the directories that the next entry can be in: `#parents[n]` is that of depth n + 1. */
  readonly #parents: Buffer[] = [Buffer.alloc(0)];

  constructor(limit: number, depth: number) {
    this.#limit = limit;
    this.#depth = depth;
  }

  /** @throws Malformed */
  add(entry: Entry): void {
    const parent = this.#parents[entry.depth - 1];
    if (parent === undefined || entry.depth > this.#depth) throw new Malformed('entry that is in no directory');
    if (this.#found.length === this.#limit) throw new Malformed('more entries than were asked for');
    const name = Buffer.from(entry.name);
    const path = parent.length === 0 ? name : Buffer.concat([parent, SLASH, name]);
    this.#bytes += path.length + entry.target.length;
    if (this.#bytes > MOST_BYTES) throw new Malformed('paths that are too long together');
    this.#parents.length = entry.depth;
    if (entry.type === 'directory') this.#parents.push(path);
    this.#found.push({
      path,
      entry: { name: textOrBytes(name), path: textOrBytes(path), ...statusOf(entry) },
    });
  }

  sorted(): FileEntry[] {
    return this.#found.sort((one, other) => one.path.compare(other.path)).map(({ entry }) => entry);
  }
}

export async function removePath(start: StartFiles, path: Buffer, options: unknown): Promise<void> {
  const given = expectObject(options, 'options', ['timeout', 'signal', 'recursive', 'force']);
  const flags = (flagOption(given, 'recursive') ? 1 : 0) | (flagOption(given, 'force') ? 2 : 0);
  const deed: Deed = { verb: 'remove', path: path.toString() };
  await new Operation(start, deed, ['remove', path, String(flags)], operationOptions(given)).done();
}

/** Between two looks, a command of the sandbox's has taken it away. */
export function hasGone(deed: Deed): Error {
  return filesError(deed, 'it has gone meanwhile');
}
