import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

const SEARCHED = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`.split(':');

/** Where a program is, or nothing. Administrators' ones are often not in the PATH of others. */
export function findProgram(name) {
  return SEARCHED.map((directory) => resolve(directory, name)).find((path) => existsSync(path));
}
