import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import {
  Bool,
  DateDay,
  Field,
  Int32,
  List,
  Null,
  Struct,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { checkArrowFile, SandboxError } from 'spawn-sandbox';
import { fuzzTables, openReaders, writeTables } from '../helpers/arrow-fuzz.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { needsPandas, PYTHON_WITH_PANDAS } from '../helpers/warm.js';

const PYTHON = PYTHON_WITH_PANDAS ?? '';
/** The long run is `scripts/fuzz-tables.mjs`. */
const MUTATIONS = 2000;

async function refused(path: string, why: RegExp): Promise<void> {
  await assert.rejects(checkArrowFile(path), (error) => {
    assert.ok(error instanceof SandboxError, String(error));
    assert.equal(error.code, 'ERR_ARROW_INVALID');
    assert.equal(error.path, path);
    assert.match(error.message, why);
    return true;
  });
}

/** Runs a program that has `pa` and `path`, and answers the path. */
function python(directory: string, name: string, program: string): string {
  const path = join(directory, name);
  execFileSync(PYTHON, ['-c', `import sys, pyarrow as pa\npath = sys.argv[1]\n${program}`, path]);
  return path;
}

/** A batch `batch`, written in a way of the test's own. */
const written = (options: string): string => `
batch = pa.record_batch({"a": pa.array([1, None, 3]), "b": pa.array(["x", "y", "z"] )})
with pa.ipc.new_file(path, batch.schema, options=pa.ipc.IpcWriteOptions(${options})) as writer:
    writer.write_batch(batch)
`;

void describe('Arrow files that pyarrow wrote', needsPandas, () => {
  void test('of every type are taken, and their report is right', async (context) => {
    for (const { path, ...expected } of writeTables(PYTHON, temporaryDirectory(context))) {
      assert.deepEqual(await checkArrowFile(path), expected, path);
    }
  });

  void test('are taken in version 4, and refused compressed or in the older framing', async (context) => {
    const directory = temporaryDirectory(context);
    const older = python(directory, 'v4', written('metadata_version=pa.ipc.MetadataVersion.V4'));
    assert.equal((await checkArrowFile(older)).rows, 3);
    const legacy = python(directory, 'legacy', written('use_legacy_format=True'));
    await refused(legacy, /there is no message where one must begin/);
    for (const [name, codec] of [
      ['lz4', 'LZ4_FRAME'],
      ['zstd', 'ZSTD'],
    ] as const) {
      const path = python(directory, name, written(`compression="${name}"`));
      await refused(
        path,
        new RegExp(`batch 0: its body is compressed \\(${codec}\\).*Write the file without compression`),
      );
    }
  });

  void test('may be of no interest to whoever expects other columns', async (context) => {
    const path = python(temporaryDirectory(context), 'table', written(''));
    assert.equal((await checkArrowFile(path, { schema: { a: 'int64', b: 'string not null' } })).rows, 3);
    await assert.rejects(checkArrowFile(path, { schema: { a: 'double', b: 'string' } }), {
      code: 'ERR_ARROW_INVALID',
      message: /schema: 'a' is 'int64' instead of 'double'/,
    });
  });

  void test(`${MUTATIONS} damaged ones are refused, or read to the last value by pyarrow and by apache-arrow`, async (context) => {
    const directory = temporaryDirectory(context);
    const readers = openReaders(PYTHON);
    context.after(() => {
      for (const reader of [readers.pyarrow, readers.javascript]) reader.close();
    });
    const tables = writeTables(PYTHON, directory);
    const outcome = await fuzzTables(tables, readers, { count: MUTATIONS, seed: 20_240_229, directory });
    assert.deepEqual(outcome.disagreements, []);
    assert.equal(outcome.accepted + outcome.refused, MUTATIONS);
    assert.ok(outcome.accepted > MUTATIONS / 20 && outcome.refused > MUTATIONS / 2, JSON.stringify(outcome));
  });

  void test('that are not what they should be, those readers refuse, too: a control', async (context) => {
    const path = python(temporaryDirectory(context), 'table', written(''));
    const bytes = readFileSync(path);
    // The text of column b, which is not UTF-8 any more.
    bytes[bytes.indexOf('xyz')] = 255;
    writeFileSync(path, bytes);
    await refused(path, /batch 0, column 'b': value 0 is not UTF-8/);
    const { pyarrow, javascript } = openReaders(PYTHON);
    assert.match(await pyarrow.read(path, 10_000), /Invalid UTF8/);
    writeFileSync(path, bytes.subarray(0, bytes.length / 2));
    assert.notEqual(await javascript.read(path, 10_000), 'ok');
    pyarrow.close();
    javascript.close();
  });
});

void describe('checkArrowFile', () => {
  const column = new Table({
    a: vectorFromArray([1, null, 3], new Int32()),
    b: vectorFromArray(['a', 'é', null], new Utf8()),
    words: vectorFromArray(['a', null, 'é']),
    list: vectorFromArray([[1], null, [2, 3]], new List(new Field('item', new Int32(), true))),
    struct: vectorFromArray([{ x: true }, null, { x: false }], new Struct([new Field('x', new Bool(), true)])),
    day: vectorFromArray([new Date(0), null, new Date(86_400_000)], new DateDay()),
    null: vectorFromArray([null, null, null], new Null()),
  });

  void test('takes a file of the package apache-arrow, which has no schema before its batches', async (context) => {
    const path = join(temporaryDirectory(context), 'table.arrow');
    const bytes = tableToIPC(column, 'file');
    writeFileSync(path, bytes);
    const report = await checkArrowFile(path);
    assert.deepEqual([report.rows, report.batches, report.bytes], [3, 1, bytes.length]);
    assert.deepEqual(
      report.columns.map(({ type }) => type),
      [
        'int32',
        'string',
        'dictionary<values=string, indices=int32, ordered=0>',
        'list<item: int32>',
        'struct<x: bool>',
        'date32[day]',
        'null',
      ],
    );
  });

  void test('refuses what is no regular file, without waiting for anybody', async (context) => {
    const directory = temporaryDirectory(context, { empty: '', text: 'no table, and long enough for one' });
    await refused(join(directory, 'missing'), /Cannot open .*ENOENT/);
    await refused(directory, /is not a regular file/);
    symlinkSync(join(directory, 'text'), join(directory, 'link'));
    await refused(join(directory, 'link'), /Cannot open .*ELOOP/);
    execFileSync('mkfifo', [join(directory, 'fifo')]);
    await refused(join(directory, 'fifo'), /is not a regular file/);
    await refused(join(directory, 'empty'), /it is empty/);
    await refused(join(directory, 'text'), /file: it does not begin with 'ARROW1'/);
    await refused('/dev/zero', /is not a regular file/);
    await refused('/proc/self/status', /it is empty/);
  });

  void test('reads no file that is larger than allowed', async (context) => {
    const path = join(temporaryDirectory(context, { large: '' }), 'large');
    truncateSync(path, 2 ** 31);
    await refused(path, /it has 2147483648 bytes; 1073741824 are allowed. Raise `maxBytes`/);
    await assert.rejects(checkArrowFile(path, { maxBytes: '3GiB' }), /does not begin with 'ARROW1'/);
  });

  void test('refuses options that it does not know', async () => {
    await assert.rejects(checkArrowFile('a', { maxRow: 3 } as object), { code: 'ERR_INVALID_OPTION' });
    await assert.rejects(checkArrowFile(''), { code: 'ERR_INVALID_OPTION' });
    await assert.rejects(checkArrowFile('a', { maxDepth: 65 }), { code: 'ERR_INVALID_OPTION' });
  });

  void test('answers many at once, and leaves no descriptor', async (context) => {
    const directory = temporaryDirectory(context);
    mkdirSync(join(directory, 'tables'));
    const paths = Array.from({ length: 40 }, (_, index) => join(directory, 'tables', String(index)));
    for (const [index, path] of paths.entries())
      writeFileSync(path, index % 2 === 0 ? tableToIPC(column, 'file') : 'no');
    const before = readdirSync('/proc/self/fd').length;
    const outcomes = await Promise.allSettled(paths.map((path) => checkArrowFile(path)));
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      paths.map((_, index) => (index % 2 === 0 ? 'fulfilled' : 'rejected')),
    );
    // The threads have some of their own, however many files they were asked about.
    assert.ok(readdirSync('/proc/self/fd').length < before + 20);
  });

  void test('keeps no process alive', async (context) => {
    const path = join(temporaryDirectory(context), 'table.arrow');
    writeFileSync(path, tableToIPC(column, 'file'));
    const program = `
      const { checkArrowFile } = await import(${JSON.stringify(import.meta.resolve('spawn-sandbox'))});
      const { rows } = await checkArrowFile(${JSON.stringify(path)});
      const ended = performance.now();
      process.on('exit', () => console.log(rows, performance.now() - ended < 500));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    assert.equal(stdout, '3 true\n');
  });
});
