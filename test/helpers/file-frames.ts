/** Frames of `sandbox.files` as who means harm would make them: nothing is checked. */
export interface RawEntry {
  readonly kind?: number;
  readonly depth?: number;
  readonly mode?: number;
  readonly size?: bigint;
  readonly seconds?: bigint;
  readonly name?: string | Buffer;
  readonly target?: string | Buffer;
}

export const KIND = { file: 1, directory: 2, link: 3, fifo: 4 } as const;

export function frame(kind: number, payload: Buffer | string = '', length?: number): Buffer {
  const bytes = Buffer.from(payload as string);
  const header = Buffer.alloc(5);
  header.writeUInt8(kind, 0);
  header.writeUInt32LE(length ?? bytes.length, 1);
  return Buffer.concat([header, bytes]);
}

export function entry({
  kind = KIND.file,
  depth = 1,
  mode = 0o644,
  size = 0n,
  seconds = 0n,
  name = '',
  target = '',
}: RawEntry): Buffer {
  const nameBytes = Buffer.from(name as string);
  const header = Buffer.alloc(29);
  header.writeUInt8(kind, 0);
  header.writeUInt16LE(depth, 1);
  header.writeUInt32LE(mode, 3);
  header.writeBigUInt64LE(size, 7);
  header.writeBigInt64LE(seconds, 15);
  header.writeUInt16LE(nameBytes.length, 27);
  return frame(2, Buffer.concat([header, nameBytes, Buffer.from(target as string)]));
}

export const data = (bytes: Buffer | string): Buffer => frame(1, bytes);
export const end: Buffer = frame(3);
export const root: Buffer = entry({ kind: KIND.directory, depth: 0, mode: 0o755 });
export const file = (name: string | Buffer, depth = 1): Buffer => entry({ name, depth });
export const directory = (name: string | Buffer, depth = 1): Buffer => entry({ kind: KIND.directory, name, depth });
export const link = (name: string | Buffer, target: string | Buffer, depth = 1): Buffer =>
  entry({ kind: KIND.link, name, target, depth });

export function problem(call: number, errno: number, path = ''): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(call, 0);
  head.writeUInt32LE(errno, 1);
  return frame(4, Buffer.concat([head, Buffer.from(path)]));
}
