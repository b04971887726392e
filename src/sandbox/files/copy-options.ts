import { expectInteger } from '../../options/check.js';
import { MOST_DEPTH } from './look.js';
import type { OperationOptions } from './operation.js';
import { flagOption, operationOptions, sizeOption } from './options.js';
import type { CopyResult } from './types.js';

const GIBIBYTE = 2 ** 30;
const USUAL_ENTRIES = 100_000;
const USUAL_TIMEOUT = 5 * 60_000;
const MOST_ENTRIES = 10_000_000;
export const COPY_OPTIONS = ['timeout', 'signal', 'limit', 'entries', 'depth', 'overwrite'] as const;

export interface CopyBounds extends OperationOptions {
  readonly limit: number;
  readonly entries: number;
  readonly depth: number;
  readonly overwrite: boolean;
}

export function copyBounds(given: Readonly<Record<string, unknown>>): CopyBounds {
  const { entries = USUAL_ENTRIES, depth = MOST_DEPTH } = given;
  return {
    ...operationOptions(given, USUAL_TIMEOUT),
    limit: sizeOption(given, GIBIBYTE),
    entries: expectInteger(entries, 'entries', 1, MOST_ENTRIES),
    depth: expectInteger(depth, 'depth', 1, MOST_DEPTH),
    overwrite: flagOption(given, 'overwrite'),
  };
}

export type Counts = { -readonly [Key in keyof CopyResult]: CopyResult[Key] };

export function noCounts(): Counts {
  return { files: 0, directories: 0, links: 0, bytes: 0, skipped: 0 };
}
