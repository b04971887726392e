import { lstatSync, type Stats, statSync } from 'node:fs';

/** Bits of a mode: what everybody may. */
export const OTHERS = { read: 0o004, write: 0o002, pass: 0o001 } as const;

/** Nothing of what is not there, or lies behind a directory that is closed to us: then it is closed to others, too. */
export function statusOf(path: string, { follow }: { readonly follow: boolean }): Stats | undefined {
  try {
    return follow ? statSync(path) : lstatSync(path);
  } catch {
    return undefined;
  }
}
