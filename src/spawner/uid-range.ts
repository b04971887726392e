import { accountIds, mappedIds, subordinateRanges } from './id-files.js';
import type { IdRange } from './messages.js';

/** High enough to be nobody's by any common rule, and below 2^31, where some programs go wrong. */
const PREFERRED_START = 0x70000000;
const PREFERRED_COUNT = 65536;
/** With fewer, a burst of steps would wait for identities. */
const LEAST_COUNT = 64;
/** Accounts of the system and of people, nobody, and the id that means "none". */
const RESERVED: readonly IdRange[] = [
  { start: 0, count: 10_000 },
  { start: 60_000, count: 5_536 },
  { start: 65_534, count: 2 },
  { start: 0xffff_fffe, count: 2 },
];

/** What decides which identities may be leased. */
export interface IdSources {
  readonly mapped: readonly IdRange[];
  readonly taken: readonly IdRange[];
}

/** Host ids that nobody else uses, for one lease per sandbox; nothing when there are not enough. */
export function chooseUidRange({ mapped, taken }: IdSources = readIdSources()): IdRange | undefined {
  const free = subtract(mapped, [...RESERVED, ...taken]).filter(({ count }) => count >= LEAST_COUNT);
  const preferred = free.find(
    ({ start, count }) => start <= PREFERRED_START && PREFERRED_START + PREFERRED_COUNT <= start + count,
  );
  if (preferred !== undefined) return { start: PREFERRED_START, count: PREFERRED_COUNT };
  const highest = free.toSorted((a, b) => b.start - a.start)[0];
  if (highest === undefined) return undefined;
  const count = Math.min(highest.count, PREFERRED_COUNT);
  return { start: highest.start + highest.count - count, count };
}

function readIdSources(): IdSources {
  return {
    mapped: intersect(mappedIds('/proc/self/uid_map'), mappedIds('/proc/self/gid_map')),
    taken: [
      ...subordinateRanges('/etc/subuid'),
      ...subordinateRanges('/etc/subgid'),
      ...accountIds('/etc/passwd'),
      ...accountIds('/etc/group'),
    ],
  };
}

function intersect(some: readonly IdRange[], others: readonly IdRange[]): readonly IdRange[] {
  return some.flatMap((a) =>
    others.flatMap((b) => {
      const start = Math.max(a.start, b.start);
      const count = Math.min(a.start + a.count, b.start + b.count) - start;
      return count > 0 ? [{ start, count }] : [];
    }),
  );
}

function subtract(ranges: readonly IdRange[], holes: readonly IdRange[]): readonly IdRange[] {
  return holes.reduce<readonly IdRange[]>((left, hole) => left.flatMap((range) => without(range, hole)), ranges);
}

function without(range: IdRange, hole: IdRange): readonly IdRange[] {
  const end = range.start + range.count;
  const holeEnd = hole.start + hole.count;
  if (hole.start >= end || holeEnd <= range.start) return [range];
  const before = { start: range.start, count: hole.start - range.start };
  const after = { start: holeEnd, count: end - holeEnd };
  return [before, after].filter(({ count }) => count > 0);
}
