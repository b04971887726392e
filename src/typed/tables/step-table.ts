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

/** A table over the memory of a file that was checked. */
export async function tableOver(memory: ArrayBuffer, summary: ArrowSummary, file: TableFile): Promise<StepTable> {
  const { tableFromIPC } = await import('apache-arrow');
  const table = tableFromIPC(new Uint8Array(memory));
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
