import { setImmediate as turn } from 'node:timers/promises';
import type * as Arrow from 'apache-arrow';
import type { RecordBatch, Table } from 'apache-arrow';
import { SandboxError } from '../../errors.js';
import { quoted } from '../../quoted.js';
import type { ArrowSummary } from '../../tables/report.js';
import type { StepTable } from '../types.js';
import type { TableFile } from './table-file.js';

/** Reading for so long, and the rest of the app has its turn. */
const TURN_MS = 5;

/** The file behind a table that a step returned. */
const files = new WeakMap<object, TableFile>();
const collected = new FinalizationRegistry<TableFile>((file) => {
  file.close();
});

/** The file of a table, if it is one that a step returned. */
export function fileOf(table: object): TableFile | undefined {
  return files.get(table);
}

/** A table over the memory of a file that was checked, or why apache-arrow makes none of it. @throws SandboxError `ERR_TABLE` */
export async function readTable(name: string, memory: ArrayBuffer): Promise<Table | Error> {
  const arrow = await import('apache-arrow').catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SandboxError('ERR_TABLE', `Cannot read the table ${quoted(name)}: ${reason.replace(/\.$/, '')}.`, {
      cause,
      remedy:
        'Install apache-arrow. Where descriptors have run out (EMFILE), import it before: Node does not try again.',
    });
  });
  try {
    return await readInTurns(arrow, new Uint8Array(memory));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** As its `tableFromIPC()`, which reads thousands of batches in one go. */
async function readInTurns({ RecordBatchReader, Table }: typeof Arrow, bytes: Uint8Array): Promise<Table> {
  const batches: RecordBatch[] = [];
  let begun = performance.now();
  for (const batch of RecordBatchReader.from(bytes)) {
    batches.push(batch);
    if (performance.now() - begun < TURN_MS) continue;
    await turn();
    begun = performance.now();
  }
  return new Table(batches);
}

export function withFile(table: Table, summary: ArrowSummary, file: TableFile): StepTable {
  files.set(table, file);
  collected.register(table, file);
  const members = {
    summary,
    saveTo: (path: string): Promise<void> => file.saveTo(path),
    close: (): void => {
      file.close();
    },
  };
  for (const [name, value] of Object.entries(members)) Object.defineProperty(table, name, { value });
  return table as StepTable;
}
