// For each path on a line of its input: `ok`, or in one line why the package apache-arrow cannot read the file to its last value.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { RecordBatchReader } from 'apache-arrow';

/** Values of one column that are looked at: one of nulls may have very many. */
const MOST = 100_000;

for await (const path of createInterface({ input: process.stdin })) {
  process.stdout.write(`${read(path)}\n`);
}

function read(path) {
  try {
    const reader = RecordBatchReader.from(readFileSync(path)).open();
    for (const batch of reader) {
      for (let column = 0; column < batch.numCols; column++) readColumn(batch.getChildAt(column), batch.numRows);
    }
    return 'ok';
  } catch (error) {
    return String(error).replaceAll('\n', ' ').slice(0, 300);
  }
}

function readColumn(vector, length) {
  if (vector.length !== length) throw new Error(`a column of ${vector.length} in a batch of ${length}`);
  for (let index = 0; index < Math.min(length, MOST); index++) touch(vector.get(index));
}

/** Lists, structs and maps read what they hold when they are asked for it. */
function touch(value) {
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value) || value instanceof Date) return;
  if (typeof value[Symbol.iterator] !== 'function') return;
  for (const element of value) touch(element);
}
