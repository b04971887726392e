import { randomBytes } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lchown, mkdir, open, rename, rmdir, symlink, unlink } from 'node:fs/promises';
import { SandboxError } from '../../errors.js';
import { keyOf, type Located, parentOf, writtenOf } from './change.js';
import type { Directory } from '../../host/directory.js';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
/** Set-id and sticky bits are never kept. */
const PERMISSIONS = 0o777;
const CHUNK = 1 << 20;

/** Two layers of one overlay, and what of the difference is to be kept. */
export interface Keeping {
  readonly upper: Directory;
  readonly lower: Directory;
  readonly changes: readonly Located[];
  /** Told when the inode at a path was changed by this, in nanoseconds: it is the original from now on. */
  readonly kept: (key: string, changedNs: bigint) => void;
  /** @throws SandboxError when the original is not what it was; asked again right before each is replaced */
  readonly check: (located: Located, now: BigIntStats | undefined) => void;
}

/**
 * Writes changes to the original directory, each file as a whole: what is deleted goes first, from the innermost on; what is added or modified
 * follows, parents before what is in them.
 */
export async function keepChanges(keeping: Keeping): Promise<void> {
  for (const located of keeping.changes.toReversed()) {
    if (isRemoved(located)) await within(keeping, located, (place) => remove(keeping, located, place));
  }
  for (const located of keeping.changes) {
    if (located.change.now !== undefined) await within(keeping, located, (place) => write(keeping, located, place));
  }
}

/** Where a change is, in both layers. */
interface Place {
  readonly from: Directory;
  readonly to: Directory;
  readonly name: Buffer;
}

/** Deleted, or in the way of something of another kind. */
function isRemoved({ change: { now, before } }: Located): boolean {
  if (before === undefined) return false;
  return now === undefined || (now.type !== before.type && [now.type, before.type].includes('directory'));
}

async function remove(keeping: Keeping, located: Located, { to, name }: Place): Promise<void> {
  const now = await to.status(name);
  if (now === undefined) return; // nobody wants it any more
  keeping.check(located, now);
  try {
    await (now.isDirectory() ? rmdir(to.at(name)) : unlink(to.at(name)));
    if (located.change.now !== undefined) keeping.kept(keyOf(located.change.bytes), 0n); // what takes its place finds nothing there
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
    throw new SandboxError('ERR_CHANGE_CONFLICT', 'Cannot delete a directory: something else is in it by now.', {
      path: located.change.path,
      remedy: 'Look at it, and commit again.',
    });
  }
}

async function write(keeping: Keeping, located: Located, place: Place): Promise<void> {
  const { now } = located.change;
  const original = await place.to.status(place.name);
  if (now?.type === 'directory') await writeDirectory(keeping, located, place, original);
  else if (now?.type === 'symlink') await writeLink(keeping, located, place, original);
  else if (now?.type === 'file') await writeFile(keeping, located, place, original);
}

async function writeDirectory(
  { check, kept }: Keeping,
  located: Located,
  { to, name }: Place,
  original: BigIntStats | undefined,
): Promise<void> {
  check(located, original);
  if (original === undefined) await mkdir(to.at(name), 0o700);
  const made = await to.directory(name);
  if (made === undefined) throw gone(located);
  const handle = await open(`/proc/self/fd/${made.descriptor}`, constants.O_RDONLY);
  try {
    if (original === undefined) await own(handle, await ownerFor(to, undefined));
    await handle.chmod((located.change.now?.mode ?? 0) & PERMISSIONS);
    kept(keyOf(located.change.bytes), (await handle.stat({ bigint: true })).ctimeNs);
  } finally {
    await handle.close();
    await made.close();
  }
}

async function writeLink(
  keeping: Keeping,
  located: Located,
  { from, to, name }: Place,
  original: BigIntStats | undefined,
): Promise<void> {
  const written = await from.status(name);
  if (written === undefined || writtenOf(written) !== located.written) throw stillWritten(located);
  const leads = await from.link(name);
  if (leads.toString() !== located.change.now?.link) throw stillWritten(located);
  const { uid, gid } = await ownerFor(to, original);
  await replace(keeping, located, to, name, async (path) => {
    await symlink(leads, path);
    if (process.geteuid?.() === 0) await lchown(path, uid, gid);
  });
}

async function writeFile(
  keeping: Keeping,
  located: Located,
  { from, to, name }: Place,
  original: BigIntStats | undefined,
): Promise<void> {
  const source = await openWritten(from, name, located);
  const owner = await ownerFor(to, original);
  try {
    await replace(keeping, located, to, name, async (path) => {
      const target = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        await copy(source, target, located);
        await own(target, owner);
        await target.chmod((located.change.now?.mode ?? 0) & PERMISSIONS);
        await target.datasync();
      } finally {
        await target.close();
      }
    });
  } finally {
    await source.close();
  }
}

/** An app that is not root may not read what it owns and the step has closed even to itself. */
async function openWritten(from: Directory, name: Buffer, located: Located): Promise<FileHandle> {
  const file = await from.file(name).catch((cause: unknown) => {
    throw new SandboxError('ERR_CHANGES', 'Cannot read what was written.', {
      path: located.change.path,
      cause,
      remedy: 'The command has taken the right to read from its file: give it back inside, or leave this path out.',
    });
  });
  if (writtenOf(await file.stat({ bigint: true })) === located.written) return file;
  await file.close();
  throw stillWritten(located);
}

/** Makes it beside the one that it replaces, and puts it in that one's place at once. */
async function replace(
  { check, kept }: Keeping,
  located: Located,
  to: Directory,
  name: Buffer,
  make: (path: Buffer) => Promise<void>,
): Promise<void> {
  const temporary = Buffer.from(`.spawn-sandbox-${randomBytes(9).toString('hex')}`);
  try {
    await make(to.at(temporary));
    check(located, await to.status(name));
    await rename(to.at(temporary), to.at(name));
  } catch (error) {
    await unlink(to.at(temporary)).catch(() => undefined);
    throw error;
  }
  const written = await to.status(name);
  if (written !== undefined) kept(keyOf(located.change.bytes), written.ctimeNs);
}

async function copy(source: FileHandle, target: FileHandle, located: Located): Promise<void> {
  const before = await source.stat({ bigint: true });
  const chunk = Buffer.allocUnsafe(CHUNK);
  for (let at = 0; ;) {
    const { bytesRead } = await source.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) break;
    await target.writeFile(chunk.subarray(0, bytesRead));
    at += bytesRead;
    if (BigInt(at) > before.size) throw stillWritten(located);
  }
  const after = await source.stat({ bigint: true });
  if (writtenOf(after) !== located.written) throw stillWritten(located);
  await target.utimes(Number(after.atimeNs) / 1e9, Number(after.mtimeNs) / 1e9);
}

/** Of the original, or of the directory that it comes into: never the step's, and never root's for want of a better. */
async function ownerFor(to: Directory, original: BigIntStats | undefined): Promise<{ uid: number; gid: number }> {
  const { uid, gid } = original ?? (await to.ownStatus());
  return { uid: Number(uid), gid: Number(gid) };
}

/** Only root can give files away; for all others theirs is the only owner there is. */
async function own(handle: FileHandle, { uid, gid }: { readonly uid: number; readonly gid: number }): Promise<void> {
  if (process.geteuid?.() === 0) await handle.chown(uid, gid);
}

async function within(keeping: Keeping, located: Located, act: (place: Place) => Promise<void>): Promise<void> {
  const parents = located.names.slice(0, -1);
  await keeping.upper.within(parents, async (from = keeping.upper) => {
    // What is deleted with its directory has none in the upper layer.
    await keeping.lower.within(parents, async (to) => {
      if (to === undefined) throw gone(located);
      await act({ from, to, name: located.names.at(-1) as Buffer });
      keeping.kept(parentOf(keyOf(located.change.bytes)), (await to.ownStatus()).ctimeNs);
    });
  });
}

function gone({ change: { path } }: Located): SandboxError {
  return new SandboxError('ERR_CHANGE_CONFLICT', 'Cannot keep a change: the directory that it lies in is not there.', {
    path,
    remedy: 'Commit the directory, too, or list the changes again: it was replaced or removed meanwhile.',
  });
}

function stillWritten({ change: { path } }: Located): SandboxError {
  return new SandboxError('ERR_CHANGES', 'Cannot keep a change: it was written to meanwhile.', {
    path,
    remedy: 'Wait for the commands of the sandbox, or pause() it, before commit().',
  });
}
