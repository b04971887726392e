import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { ArrowSummary } from 'spawn-sandbox';
import { checkArrowBytes } from '#src/tables/check-bytes.js';
import { resolveLimits } from '#src/tables/limits.js';
import { Refusal } from '#src/tables/refusal.js';
import { mutate, victim } from './arrow-mutations.js';
import { randomNumbers } from './random.js';
import { Reader } from './arrow-readers.js';

const HELPERS = join(import.meta.dirname, '../../../test/helpers');

/** A file of `arrow_tables.py`, and what the check must say of it. */
export interface Table extends ArrowSummary {
  readonly path: string;
}

/** Files of all types, written by pyarrow. */
export function writeTables(python: string, directory: string): readonly Table[] {
  const text = execFileSync(python, [join(HELPERS, 'arrow_tables.py'), directory], { encoding: 'utf8' });
  return JSON.parse(text) as Table[];
}

/** Two readers that were written by others. */
export interface Readers {
  readonly pyarrow: Reader;
  readonly javascript: Reader;
}

export function openReaders(python: string): Readers {
  return {
    pyarrow: new Reader(python, [join(HELPERS, 'arrow_validate.py')]),
    javascript: new Reader(process.execPath, [join(HELPERS, 'arrow-read.mjs')]),
  };
}

/** What the package apache-arrow cannot read however well-formed it is: some types, 64-bit indices, moments that are no safe integers. */
export const UNKNOWN_TO_JAVASCRIPT =
  /Unrecognized type: |Cannot mix BigInt and other types|not safe to convert to a number/;

export interface FuzzOutcome {
  accepted: number;
  refused: number;
  /** Accepted ones that the package apache-arrow has no reader for. */
  unknownToJavaScript: number;
  /** Milliseconds of the slowest check. */
  slowest: number;
  readonly disagreements: string[];
}

/** Milliseconds. Files are some KiB long, so either of them is forever. */
const CHECK_LIMIT = 1000;
const READ_LIMIT = 10_000;

/** Damages the tables in turn, `count` times, and has what is accepted read by others. */
export async function fuzzTables(
  tables: readonly Table[],
  readers: Readers,
  { count, seed, directory }: { readonly count: number; readonly seed: number; readonly directory: string },
): Promise<FuzzOutcome> {
  const random = randomNumbers(seed);
  const victims = tables.map(({ path }) => victim(basename(path, '.arrow'), readFileSync(path)));
  const outcome: FuzzOutcome = { accepted: 0, refused: 0, unknownToJavaScript: 0, slowest: 0, disagreements: [] };
  for (let index = 0; index < count; index++) {
    const chosen = victims[index % victims.length];
    if (chosen === undefined) break;
    const bytes = mutate(chosen, random);
    const problem = checkOne(bytes, outcome);
    const path = join(directory, `${chosen.name}-${seed}-${index}.arrow`);
    if (problem === undefined) {
      writeFileSync(path, bytes);
      const others = await readByOthers(path, readers, outcome);
      if (others !== undefined) outcome.disagreements.push(`${path}: ${others}`);
      else rmSync(path);
    } else if (problem !== '') {
      writeFileSync(path, bytes);
      outcome.disagreements.push(`${path}: ${problem}`);
    }
  }
  return outcome;
}

/** Nothing if the bytes were accepted, empty if they were refused as they should be, else what went wrong. */
function checkOne(bytes: Uint8Array, outcome: FuzzOutcome): string | undefined {
  const started = performance.now();
  try {
    checkArrowBytes(bytes, resolveLimits({}));
    outcome.accepted++;
    return undefined;
  } catch (error) {
    outcome.refused++;
    return error instanceof Refusal ? '' : `the check failed: ${String(error)}`;
  } finally {
    const time = performance.now() - started;
    outcome.slowest = Math.max(outcome.slowest, time);
    if (time > CHECK_LIMIT) outcome.disagreements.push(`a check took ${time} ms`);
  }
}

async function readByOthers(path: string, readers: Readers, outcome: FuzzOutcome): Promise<string | undefined> {
  const python = await readers.pyarrow.read(path, READ_LIMIT);
  if (python !== 'ok') return `pyarrow: ${python}`;
  const javascript = await readers.javascript.read(path, READ_LIMIT);
  if (javascript === 'ok') return undefined;
  if (!UNKNOWN_TO_JAVASCRIPT.test(javascript)) return `apache-arrow: ${javascript}`;
  outcome.unknownToJavaScript++;
  return undefined;
}
