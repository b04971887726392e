import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/** Node has no name for it. */
const ETOOMANYREFS = 109;

/** The system's own words for an error number: `EACCES (permission denied)`. */
export function systemReason(errno: number): string {
  const known = getSystemErrorMap().get(-errno);
  if (known !== undefined) return `${known[0]} (${known[1]})`;
  if (errno === ETOOMANYREFS)
    return 'ETOOMANYREFS (too many descriptors are on their way between processes of this user)';
  const name = Object.entries(constants.errno).find(([, number]) => number === errno)?.[0];
  const words = name === undefined ? undefined : WITHOUT_WORDS[name];
  return words === undefined ? (name ?? `error ${errno}`) : `${name} (${words})`;
}

/** Errors that Node knows by name only. */
const WITHOUT_WORDS: Readonly<Record<string, string>> = {
  ENOEXEC: 'exec format error',
  EDQUOT: 'disk quota exceeded',
  ESTALE: 'stale file handle',
};
