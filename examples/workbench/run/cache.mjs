// Results of steps on disk. The key of a result is a digest of everything that it depends on: what the step does, and the keys of what it
// reads; but for the versions of Python, Node and their packages, after whose update the directory should be deleted. So nothing is ever
// stale, and whoever goes back to an earlier definition finds its results again.
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import { checkArrowFile } from 'spawn-sandbox';

const OWN_OPERATIONS = join(import.meta.dirname, '../operations/operations.py');

export class Cache {
  #directory;

  constructor(directory) {
    this.#directory = directory;
  }

  /** @param inputKeys the keys of the steps that it reads, in its order */
  async keyOf(step, inputKeys) {
    // The order of fields that were written matters: columns come out in it. `about` is for people.
    const { about: _, ...fields } = step.fields;
    const files = [OWN_OPERATIONS, ...(step.file === undefined ? [] : [step.file])];
    const digests = await Promise.all(files.map(async (file) => digest(await readFile(file))));
    return digest(JSON.stringify([step.operation, fields, inputKeys, digests]));
  }

  /** What was stored under the key, or nothing. Others may have been at the file, so it is checked as if a step had written it. */
  async find(key) {
    try {
      const path = this.#path(key, 'arrow');
      const { logs } = JSON.parse(await readFile(this.#path(key, 'json'), 'utf8'));
      await checkArrowFile(path);
      return { path, logs, table: tableFromIPC(await readFile(path)) };
    } catch {
      return undefined;
    }
  }

  async store(key, table, logs) {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await table.saveTo(this.#path(key, 'arrow'));
    await writeFile(this.#path(key, 'json'), JSON.stringify({ logs })); // last: without it there is no result
  }

  #path(key, extension) {
    return join(this.#directory, `${key}.${extension}`);
  }
}

function digest(data) {
  return createHash('sha256').update(data).digest('hex');
}
