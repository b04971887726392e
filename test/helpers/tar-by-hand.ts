const BLOCK = 512;

/** One entry of an archive, as no careful program would write it. */
export interface HandMade {
  readonly name: string | Buffer;
  /** As in the header: 0 file, 1 hard link, 2 symbolic link, 3 and 4 devices, 5 directory, 6 fifo. @default '0' */
  readonly type?: string;
  readonly link?: string;
  readonly mode?: number;
  readonly content?: string | Buffer;
  /** Said in the header, whatever the content is. */
  readonly size?: number;
  /** Extended headers that come before it. */
  readonly pax?: Readonly<Record<string, string | Buffer>>;
}

/** An archive with these entries, complete. */
export function tarByHand(entries: readonly HandMade[]): Buffer {
  return Buffer.concat([...entries.flatMap(entryByHand), Buffer.alloc(2 * BLOCK)]);
}

function entryByHand({ pax, ...entry }: HandMade): readonly Buffer[] {
  const own = plain(entry);
  if (pax === undefined) return own;
  const records = Buffer.concat(Object.entries(pax).map(([key, value]) => record(key, value)));
  return [...plain({ name: 'pax', type: 'x', content: records }), ...own];
}

/** Its length counts itself. */
export function record(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as string), Buffer.from('\n')]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function plain(entry: HandMade): readonly Buffer[] {
  const { name, type = '0', link = '', mode = 0o644, content = '' } = entry;
  const bytes = Buffer.from(content as string);
  const header = Buffer.alloc(BLOCK);
  Buffer.from(name as string).copy(header, 0, 0, 100);
  header.write(`${mode.toString(8).padStart(7, '0')}\0`, 100);
  header.write('0000000\0'.repeat(2), 108);
  header.write(`${(entry.size ?? bytes.length).toString(8).padStart(11, '0')}\0`, 124);
  header.write(`${(1_000_000_000).toString(8).padStart(11, '0')}\0`, 136);
  header.write(' '.repeat(8), 148);
  header.write(type, 156);
  header.write(link, 157, 100);
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return [header, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)];
}
