import { expectInteger, expectObject, expectText, invalidOption } from './check.js';
import { show } from '../show.js';

/** Who the step is inside. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly home: string;
}

/** 65534 is what every unmapped id looks like; it cannot be told from nobody. */
const HIGHEST_ID = 65533;

export function resolveUser(option: unknown): ResolvedUser {
  const given = expectObject(option, 'user', ['uid', 'gid', 'name']);
  const name = given['name'] === undefined ? 'sandbox' : expectText(given['name'], 'user.name');
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(name)) {
    throw invalidOption(
      'user.name',
      `must be lower-case letters, digits, '-' and '_', at most 32, and is ${show(name)}`,
    );
  }
  if (name === 'root' || name === 'nobody')
    throw invalidOption('user.name', `is taken by another account: ${show(name)}`);
  return { uid: id(given['uid'], 'user.uid'), gid: id(given['gid'], 'user.gid'), name, home: `/home/${name}` };
}

function id(value: unknown, option: string): number {
  return value === undefined ? 1000 : expectInteger(value, option, 1, HIGHEST_ID);
}
