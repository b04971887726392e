import type { Table } from 'apache-arrow';
import { SandboxError } from '../../errors.js';
import { quoted } from '../../quoted.js';
import type { ArrowSummary } from '../../tables/report.js';
import type { StepTable } from '../types.js';
import type { TableFile } from './table-file.js';

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
  const { tableFromIPC } = await import('apache-arrow').catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SandboxError('ERR_TABLE', `Cannot read the table ${quoted(name)}: ${reason.replace(/\.$/, '')}.`, {
      cause,
      remedy:
        'Install apache-arrow. Where descriptors have run out (EMFILE), import it before: Node does not try again.',
    });
  });
  try {
    return tableFromIPC(new Uint8Array(memory));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
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
