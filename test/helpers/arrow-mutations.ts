import { readFooter } from '#src/tables/footer.js';
import { resolveLimits } from '#src/tables/limits.js';

/** A file and where the parts of it lie that are most worth damaging. */
export interface Victim {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Pairs of start and end: footer, metadata of messages, bodies. */
  readonly regions: readonly (readonly [start: number, end: number])[];
  /** Where the footer has blocks of 24 bytes, as far as can be seen. */
  readonly blocks: readonly number[];
}

const TAIL_BYTES = 10;
const BLOCK_BYTES = 24;

export function victim(name: string, bytes: Uint8Array): Victim {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - TAIL_BYTES;
  const start = end - view.getInt32(end, true);
  const { dictionaries, batches } = readFooter(bytes, resolveLimits({}));
  const regions: [number, number][] = [
    [start, bytes.length],
    [8, 8 + 8 + view.getInt32(12, true)],
  ];
  const blocks: number[] = [];
  for (const { offset, metadataBytes, bodyBytes } of [...dictionaries, ...batches]) {
    regions.push([offset, offset + metadataBytes], [offset + metadataBytes, offset + metadataBytes + bodyBytes]);
    for (let at = start; at + BLOCK_BYTES <= end; at += 4) {
      if (view.getUint32(at, true) === offset && view.getInt32(at + 8, true) === metadataBytes) blocks.push(at);
    }
  }
  return { name, bytes, blocks, regions: regions.filter(([from, to]) => to > from) };
}

type Random = () => number;
type Bytes = Uint8Array<ArrayBuffer>;

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

function oneOf<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)] as T;
}

/** A place in one of the regions, each of which is as likely as the others. */
function place({ regions, bytes }: Victim, random: Random, size: number): number {
  const [from, to] = oneOf(random, regions);
  const at = from + below(random, to - from);
  return Math.min(at - (at % size), bytes.length - size);
}

const WORDS = [0, -1, 1, 2, 7, 8, 0x7fff_ffff, -0x8000_0000, 0x0100_0000, 0xffff, 64, 128, 1000];

type Mutation = (bytes: Bytes, victim: Victim, random: Random) => Bytes;

const MUTATIONS: readonly Mutation[] = [
  flipBit,
  flipBit,
  changeByte,
  changeByte,
  changeWord,
  changeWord,
  changeLong,
  nudgeWord,
  nudgeWord,
  moveWord,
  swapBlocks,
  truncate,
];

/** The victim, damaged once or a few times. */
export function mutate(whole: Victim, random: Random): Bytes {
  let bytes: Bytes = Uint8Array.from(whole.bytes);
  const times = random() < 0.7 ? 1 : 1 + below(random, 4);
  for (let time = 0; time < times && bytes.length === whole.bytes.length; time++) {
    bytes = oneOf(random, MUTATIONS)(bytes, whole, random);
  }
  return bytes;
}

function flipBit(bytes: Bytes, whole: Victim, random: Random): Bytes {
  const at = place(whole, random, 1);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
  return bytes;
}

function changeByte(bytes: Bytes, whole: Victim, random: Random): Bytes {
  bytes[place(whole, random, 1)] = random() < 0.5 ? below(random, 256) : below(random, 32);
  return bytes;
}

function changeWord(bytes: Bytes, whole: Victim, random: Random): Bytes {
  new DataView(bytes.buffer).setInt32(place(whole, random, 4), oneOf(random, WORDS), true);
  return bytes;
}

function changeLong(bytes: Bytes, whole: Victim, random: Random): Bytes {
  new DataView(bytes.buffer).setBigInt64(place(whole, random, 8), BigInt(oneOf(random, WORDS)), true);
  return bytes;
}

function nudgeWord(bytes: Bytes, whole: Victim, random: Random): Bytes {
  const view = new DataView(bytes.buffer);
  const at = place(whole, random, 4);
  view.setInt32(at, view.getInt32(at, true) + oneOf(random, [-8, -4, -1, 1, 2, 4, 8, 64]), true);
  return bytes;
}

function moveWord(bytes: Bytes, whole: Victim, random: Random): Bytes {
  const from = place(whole, random, 8);
  bytes.copyWithin(place(whole, random, 8), from, from + 8);
  return bytes;
}

function swapBlocks(bytes: Bytes, whole: Victim, random: Random): Bytes {
  if (whole.blocks.length < 2) return changeWord(bytes, whole, random);
  const [one, other] = [oneOf(random, whole.blocks), oneOf(random, whole.blocks)];
  const kept = bytes.slice(one, one + BLOCK_BYTES);
  bytes.copyWithin(one, other, other + BLOCK_BYTES);
  // One of them twice is worth a try, too.
  if (random() < 0.7) bytes.set(kept, other);
  return bytes;
}

function truncate(bytes: Bytes, _whole: Victim, random: Random): Bytes {
  const kept = bytes.slice(0, below(random, bytes.length));
  if (random() < 0.5) return kept;
  const end = bytes.slice(bytes.length - TAIL_BYTES);
  return Uint8Array.from([...kept, ...end]);
}
