import { constants } from 'node:buffer';
import { expectInteger, expectObject, expectText, invalidOption } from '../options/check.js';
import { show } from '../show.js';
import { parseSize, type Size } from '../units.js';

/** What a table may be, besides whole. */
export interface ArrowCheckOptions {
  /**
   * The columns that must be there, in any order, and no others: name and type, as Python's `str(type)` shows it (`'int64'`, `'string'`,
   * `'timestamp[us, tz=UTC]'`, `'list<item: double>'`). With ` not null` behind it, the column may hold no null. @default any columns
   */
  readonly schema?: Readonly<Record<string, string>>;
  /** Most bytes of the file, as a number or as `'16MiB'`; up to 8 bytes less than 4 GiB. @default '1GiB' */
  readonly maxBytes?: Size;
  /** Most columns, with all that is nested in them. @default 10000 */
  readonly maxColumns?: number;
  /** Most rows of all batches together; values of a type that takes no bytes are bounded by it wherever they are. @default 100000000 */
  readonly maxRows?: number;
  /** How deep types may be nested, 64 at most: a list of numbers is 2. @default 32 */
  readonly maxDepth?: number;
  /** Most record batches, and most dictionary batches. @default 10000 */
  readonly maxBatches?: number;
}

/** Options with every default filled in. It goes to another thread, so it holds data only. */
export interface Limits {
  readonly schema: readonly (readonly [name: string, type: string])[] | undefined;
  readonly maxBytes: number;
  readonly maxColumns: number;
  readonly maxRows: number;
  readonly maxDepth: number;
  readonly maxBatches: number;
}

const DEFAULT_BYTES = 2 ** 30;
const DEFAULT_ROWS = 100_000_000;
/** The check recurses as deep as types are nested. */
const MOST_DEPTH = 64;
const MOST = 2 ** 31 - 1;
const NAMES = ['schema', 'maxBytes', 'maxColumns', 'maxRows', 'maxDepth', 'maxBatches'] as const;

/** @throws SandboxError `ERR_INVALID_OPTION` */
export function resolveLimits(options: unknown): Limits {
  const given = expectObject(options, 'options', NAMES);
  const integer = (name: (typeof NAMES)[number], otherwise: number, most: number): number =>
    given[name] === undefined ? otherwise : expectInteger(given[name], name, 0, most);
  return {
    schema: given['schema'] === undefined ? undefined : expectedColumns(given['schema']),
    maxBytes: byteLimit(given['maxBytes']),
    maxColumns: integer('maxColumns', 10_000, 1_000_000),
    maxRows: integer('maxRows', DEFAULT_ROWS, MOST),
    maxDepth: integer('maxDepth', 32, MOST_DEPTH),
    maxBatches: integer('maxBatches', 10_000, 1_000_000),
  };
}

function byteLimit(value: unknown): number {
  if (value === undefined) return DEFAULT_BYTES;
  return Math.min(parseSize(value, 'maxBytes'), constants.MAX_LENGTH, 2 ** 32 - 8);
}

function expectedColumns(value: unknown): (readonly [string, string])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidOption('schema', `must be an object of column names and types, and is ${show(value)}`);
  }
  return Object.entries(value).map(([name, type]) => [name, expectText(type, `schema.${name}`)]);
}
