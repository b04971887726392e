import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { IdRange } from './messages.js';

/** Reads a file of `/etc` or `/proc` that may well not exist. */
export function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
  } catch {
    return [];
  }
}

/** The ranges of `/etc/subuid` or `/etc/subgid`, of one owner or of everybody. */
export function subordinateRanges(path: string, owners?: readonly string[]): readonly IdRange[] {
  return readLines(path).flatMap((line) => {
    const [owner = '', start, count] = line.split(':');
    if (owners !== undefined && !owners.includes(owner)) return [];
    return toRange(start, count);
  });
}

/** The names under which the two files may list the app's user. */
export function ownNames(): readonly string[] {
  const uid = String(process.geteuid?.() ?? 0);
  try {
    return [userInfo().username, uid];
  } catch {
    return [uid]; // an identity without an account
  }
}

/** The ids of `/etc/passwd` or `/etc/group`, each a range of one. */
export function accountIds(path: string): readonly IdRange[] {
  return readLines(path).flatMap((line) => toRange(line.split(':')[2], '1'));
}

/** The ids that exist in the app's own user namespace. */
export function mappedIds(path: string): readonly IdRange[] {
  return readLines(path).flatMap((line) => {
    const [inside, , count] = line.trim().split(/\s+/);
    return toRange(inside, count);
  });
}

function toRange(start: string | undefined, count: string | undefined): readonly IdRange[] {
  const range = { start: Number(start), count: Number(count) };
  return Number.isSafeInteger(range.start) && Number.isSafeInteger(range.count) && range.count > 0 ? [range] : [];
}
