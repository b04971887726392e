import { constants } from 'node:fs';
import { type FileHandle, link, lutimes, open, symlink } from 'node:fs/promises';
import { below, itself, namesIn } from '../host/path.js';
import type { Budget } from './budget.js';
import { type ImageEntry, entryOf } from './entry.js';
import { type Level, levelOf, makeDirectory, type OpenTree, statusOf } from './open-tree.js';
import { ImageProblem, named } from './problem.js';
import type { TarEntry } from './tar.js';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
/** Or the app could neither fill it nor remove it. */
const OWNERS = 0o700;
/** A sandbox of an app with root has another identity, and could not enter its own root. */
const ROOT_MODE = 0o755;

/** Lays one entry of a layer over what is there. Owners, attributes and set-id bits are not kept, devices and fifos not made. */
export async function applyEntry(tree: OpenTree, content: TarEntry, budget: Budget): Promise<void> {
  budget.entry();
  const entry = entryOf(content.header);
  if (entry === undefined) return;
  if (entry.kind === 'opaque') await applyOpaque(tree, entry.names);
  else if (entry.kind === 'whiteout') await applyWhiteout(tree, entry.names);
  else if (entry.names.length === 0) await describe(tree, tree.root, entry.mode | ROOT_MODE, entry.time);
  else if (entry.kind === 'link') await applyLink(tree, entry);
  else await applyMade(tree, entry, content);
}

async function applyMade(tree: OpenTree, entry: ImageEntry, content: TarEntry): Promise<void> {
  const { level, name } = await placeOf(tree, entry.names);
  tree.add(level, name);
  if (entry.kind === 'directory') {
    await applyDirectory(tree, entry, level, name);
    return;
  }
  const path = below(level.handle, name);
  if (entry.kind === 'file') {
    const file = await inPlaceOf(tree, level, name, () => open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
    await fillFile(file, entry, content);
  } else if (entry.kind === 'symlink') {
    await inPlaceOf(tree, level, name, () => symlink(entry.target, path));
    await lutimes(path, entry.time, entry.time);
  } else await tree.remove(level, name);
}

/** Mostly there is nothing in the way. */
async function inPlaceOf<T>(tree: OpenTree, level: Level, name: Buffer, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  await tree.remove(level, name);
  return await make();
}

/** One that is there already stays, with all that is in it. */
async function applyDirectory(tree: OpenTree, entry: ImageEntry, level: Level, name: Buffer): Promise<void> {
  const there = await statusOf(level, name);
  const isThere = there?.isDirectory() === true;
  if (there !== undefined && !isThere) await tree.remove(level, name);
  const made = isThere ? await levelOf(level.handle, name) : await makeDirectory(level, name, OWNERS);
  try {
    await describe(tree, made, entry.mode | OWNERS, entry.time);
  } finally {
    await made.handle.close();
  }
}

async function describe(tree: OpenTree, { handle, inode }: Level, mode: number, time: number): Promise<void> {
  await handle.chmod(mode);
  tree.times.set(inode, time);
}

async function fillFile(file: FileHandle, entry: ImageEntry, content: TarEntry): Promise<void> {
  try {
    for await (const chunk of content as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
    }
    await file.chmod(entry.mode);
    await file.utimes(entry.time, entry.time);
  } finally {
    await file.close();
  }
}

/** To what is in the image, and no directory: the kernel follows no link there, either. */
async function applyLink(tree: OpenTree, entry: ImageEntry): Promise<void> {
  const targetName = entry.targetNames.at(-1);
  const from = await tree.enter(entry.targetNames.slice(0, -1), false);
  const target = targetName === undefined || from === undefined ? undefined : await statusOf(from, targetName);
  if (targetName === undefined || from === undefined || target === undefined || target.isDirectory())
    throw new ImageProblem(
      `hard link ${named(entry.names.at(-1) ?? '')} is to ${named(entry.target)}, which is no file of the image`,
    );
  const source = await open(itself(from.handle), O_RDONLY | O_DIRECTORY);
  try {
    await linkFrom(tree, entry, below(source, targetName), target.ino);
  } finally {
    await source.close();
  }
}

async function linkFrom(tree: OpenTree, entry: ImageEntry, from: Buffer, inode: bigint): Promise<void> {
  const { level, name } = await placeOf(tree, entry.names);
  tree.add(level, name);
  const there = await statusOf(level, name);
  if (there !== undefined && there.ino === inode) return; // a link to itself would be removed first
  await tree.remove(level, name);
  await link(from, below(level.handle, name));
}

async function placeOf(tree: OpenTree, names: readonly Buffer[]): Promise<{ level: Level; name: Buffer }> {
  const level = await tree.enter(names.slice(0, -1), true);
  const name = names.at(-1);
  if (level === undefined || name === undefined) throw new ImageProblem('an entry has no name');
  return { level, name };
}

/** Removes what lay below the present layer, wherever in the archive that is said. */
async function applyWhiteout(tree: OpenTree, names: readonly Buffer[]): Promise<void> {
  const level = await tree.enter(names.slice(0, -1), false);
  const name = names.at(-1);
  if (level === undefined || name === undefined) return;
  if (tree.has(level, name)) await hideBelow(tree, level, name);
  else await tree.remove(level, name);
}

async function applyOpaque(tree: OpenTree, names: readonly Buffer[]): Promise<void> {
  const level = await tree.enter(names, false);
  if (level !== undefined) await hideIn(tree, level);
}

async function hideIn(tree: OpenTree, level: Level): Promise<void> {
  if (!tree.clear(level)) return;
  for (const name of await namesIn(level.handle)) {
    if (tree.has(level, name)) await hideBelow(tree, level, name);
    else await tree.remove(level, name);
  }
}

/** Of what the layer has a directory for, what is in it. */
async function hideBelow(tree: OpenTree, level: Level, name: Buffer): Promise<void> {
  if ((await statusOf(level, name))?.isDirectory() !== true) return;
  const inner = await levelOf(level.handle, name);
  try {
    await hideIn(tree, inner);
  } finally {
    await inner.handle.close();
  }
}
