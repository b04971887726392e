import { getSystemErrorMap } from 'node:util';

/** The system's own words for an error number: `EACCES (permission denied)`. */
export function systemReason(errno: number): string {
  const known = getSystemErrorMap().get(-errno);
  return known === undefined ? `error ${errno}` : `${known[0]} (${known[1]})`;
}
