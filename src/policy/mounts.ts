import { MOUNT_KIND, type MountMessage } from '../spawner/messages.js';

/** The kinds of mounts, as functions, so that a mount tree reads as a list. */

export function bindReadOnly(
  source: string,
  target: string = source,
  { optional = false, asOwner = false } = {},
): MountMessage {
  return { kind: MOUNT_KIND.readOnly, source: Buffer.from(source), target: Buffer.from(target), optional, asOwner };
}

export function bindWritable(source: string, target: string, { optional = false } = {}): MountMessage {
  return { kind: MOUNT_KIND.writable, source: Buffer.from(source), target: Buffer.from(target), optional };
}

/** What is written to it stays in the sandbox. */
export function overlay(source: string, target: string, { optional = false } = {}): MountMessage {
  return { kind: MOUNT_KIND.overlay, source: Buffer.from(source), target: Buffer.from(target), optional };
}

/** A whole root; `target` is where it stands until its directories are mounted. */
export function root(source: string, target: string): MountMessage {
  return { kind: MOUNT_KIND.root, source: Buffer.from(source), target: Buffer.from(target) };
}

export function directory(target: string, mode = 0o755): MountMessage {
  return { kind: MOUNT_KIND.directory, target: Buffer.from(target), mode };
}

export function file(target: string, content: string | Buffer, mode = 0o444): MountMessage {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return { kind: MOUNT_KIND.file, target: Buffer.from(target), content: bytes, mode };
}

export function symlink(target: string, to: string): MountMessage {
  return { kind: MOUNT_KIND.symlink, target: Buffer.from(target), content: Buffer.from(to) };
}

export function scratch(target: string, mode: number, { noExec = false } = {}): MountMessage {
  return { kind: MOUNT_KIND.scratch, target: Buffer.from(target), mode, noExec };
}

export function device(target: string, source: string = target): MountMessage {
  return { kind: MOUNT_KIND.device, source: Buffer.from(source), target: Buffer.from(target) };
}

export function proc(): MountMessage {
  return { kind: MOUNT_KIND.proc, target: Buffer.from('/proc') };
}
