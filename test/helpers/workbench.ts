import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Table, tableFromIPC } from 'apache-arrow';
import { examplePath, run } from '../examples/run-example.js';

export interface RanStep {
  readonly name: string;
  readonly state: 'done' | 'cached' | 'failed' | 'skipped';
  readonly key?: string;
  readonly rows?: number;
  readonly problem?: {
    readonly cause: string;
    readonly detail: string;
    readonly failure?: { readonly type: string; readonly traceback: string };
  };
  readonly lacking?: readonly string[];
  readonly logs?: {
    readonly lines: readonly { readonly stream: string; readonly text: string }[];
    readonly left: number;
  };
  readonly phases: readonly { readonly name: string; readonly start: number; readonly end: number }[];
}

export interface RanWorkflow {
  readonly status: number | null;
  readonly steps: Readonly<Record<string, RanStep>>;
  /** Names of steps by state. */
  readonly names: (state: RanStep['state']) => string[];
  /** What a step returned, from the cache. */
  readonly table: (name: string) => Table;
}

/** Runs a workflow as a reader would, in a Node of its own. */
export async function runWorkbench(workflow: string, cache: string): Promise<RanWorkflow> {
  const ran = await run(process.execPath, [examplePath('workbench/run.mjs'), workflow, '--cache', cache, '--json']);
  if (ran.stderr !== '') throw new Error(ran.stderr);
  const { steps } = JSON.parse(ran.stdout) as { steps: RanStep[] };
  const byName = Object.fromEntries(steps.map((step) => [step.name, step]));
  return {
    status: ran.status,
    steps: byName,
    names: (state) => steps.filter((step) => step.state === state).map(({ name }) => name),
    table: (name) => tableFromIPC(readFileSync(join(cache, `${byName[name]?.key ?? ''}.arrow`))),
  };
}

/** Rows as plain objects, integers as numbers. */
export function rowsOf(table: Table): Record<string, unknown>[] {
  return table
    .toArray()
    .map((row: { toJSON(): Record<string, unknown> }) =>
      Object.fromEntries(
        Object.entries(row.toJSON()).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
      ),
    );
}

/** A data set, read without anything of what is tested. */
export function readDataSet(name: string): Record<string, string>[] {
  const path = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data', name);
  const [header = [], ...rows] = readFileSync(path, 'utf8').trimEnd().split(/\r?\n/).map(cellsOf);
  return rows.map((cells) => Object.fromEntries(header.map((column, index) => [column, cells[index] ?? ''])));
}

function cellsOf(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
  );
}
