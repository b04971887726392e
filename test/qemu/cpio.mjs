// An archive as the kernel unpacks it into its first file system: "newc" of cpio.
import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ALIGNED = 4;

/** Packs the directories and files below `tree`. */
export function packTree(tree, archive) {
  const names = readdirSync(tree, { recursive: true }).sort();
  const parts = names.flatMap((name, index) => entry(name, join(tree, name), index + 1));
  writeFileSync(archive, Buffer.concat([...parts, ...member('TRAILER!!!', 0, Buffer.alloc(0), 0)]));
}

function entry(name, path, number) {
  const status = lstatSync(path);
  return member(name, status.mode, status.isFile() ? readFileSync(path) : Buffer.alloc(0), number);
}

function member(name, mode, content, number) {
  // Inode, mode, user, group, links, time, size, four device numbers, length of the name, checksum.
  const fields = [number, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return [padded(Buffer.from(header)), padded(content)];
}

function padded(bytes) {
  return Buffer.concat([bytes, Buffer.alloc((ALIGNED - (bytes.length % ALIGNED)) % ALIGNED)]);
}
