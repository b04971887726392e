import { getSystemErrorMap } from 'node:util';

/** Names that every Linux has and Node's list has not. */
const MORE: Readonly<Record<number, string>> = { 87: 'EUSERS', 125: 'ECANCELED', 122: 'EDQUOT' };

/** `1` is `'EPERM'`. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? MORE[errno] ?? `error ${errno}`;
}

/** What strerror() of the spawner's C library says, for the few answers that a cgroup gives. */
const WORDS: Readonly<Record<string, string>> = {
  'Operation not permitted': 'EPERM',
  'Permission denied': 'EACCES',
  'Read-only file system': 'EROFS',
  'Device or resource busy': 'EBUSY',
  'Resource busy': 'EBUSY',
  'No such file or directory': 'ENOENT',
  'Operation not supported': 'EOPNOTSUPP',
  'No space left on device': 'ENOSPC',
};

/** The error whose words a text ends with. */
export function errnoInWords(text: string): string | undefined {
  return Object.entries(WORDS).find(([words]) => text.endsWith(words))?.[1];
}
