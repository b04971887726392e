import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type Table, tableFromArrays, tableFromIPC, tableToIPC } from 'apache-arrow';
import {
  checkArrowFile,
  createZygote,
  defineStep,
  SandboxError,
  type StepDefinition,
  type StepRefusal,
  type StepTable,
  type TypedStep,
  type Zygote,
} from 'spawn-sandbox';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { needsPandas, PYTHON_WITH_PANDAS } from '../helpers/warm.js';

type Plain = TypedStep<undefined, undefined>;

const MODULES = join(import.meta.dirname, '../../../node_modules');

/** What a step does with tables, in both languages. */
const LANGUAGES = {
  python: {
    options: { runtime: 'python', preload: ['pyarrow', 'pandas'], interpreter: PYTHON_WITH_PANDAS ?? 'python3' },
    count: 'def run(params, tables):\n  return {name: table.num_rows for name, table in tables.items()}',
    sum: 'import pyarrow.compute as pc\ndef run(params, tables):\n  return pc.sum(tables["input"]["value"]).as_py()',
    filter:
      'import pyarrow.compute as pc\ndef run(params, tables):\n  table = tables["input"]\n  kept = table.filter(pc.greater_equal(table["value"], params["min"]))\n  return {"rows": kept.num_rows}, {"output": kept}',
    only: 'def run(params, tables):\n  return tables["input"]',
    two: 'def run(params, tables):\n  return {"first": tables["input"], "second": tables["input"].slice(1)}',
    write: 'def run(params, tables, step):\n  step.write_table("output", tables["input"])',
    many: 'def run(params, tables):\n  return {str(i): tables["input"] for i in range(5)}',
    missing: 'def run(params, tables):\n  return tables["other"]',
  },
  node: {
    options: {
      runtime: 'node',
      preload: ['apache-arrow'],
      filesystem: { readOnly: [MODULES] },
      env: { NODE_PATH: MODULES },
    },
    count:
      'exports.run = (params, tables) => Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, table.numRows]));',
    sum: 'exports.run = (params, { input }) => { let sum = 0; for (const value of input.getChild("value")) sum += Number(value); return sum; };',
    filter:
      'const { tableFromArrays } = require("apache-arrow");\nexports.run = ({ min }, { input }) => {\n  const value = Float64Array.from([...input.getChild("value")].map(Number).filter((v) => v >= min));\n  return [{ rows: value.length }, { output: tableFromArrays({ value }) }];\n};',
    only: 'exports.run = (params, { input }) => input;',
    two: 'exports.run = (params, { input }) => ({ first: input, second: input.slice(1) });',
    write: 'exports.run = (params, { input }, step) => { step.writeTable("output", input); };',
    many: 'exports.run = (params, { input }) => Object.fromEntries([0, 1, 2, 3, 4].map((i) => [i, input]));',
    missing: 'exports.run = (params, tables) => tables.other.numRows;',
  },
} as const;

const SMALL = tableFromArrays({ value: Float64Array.from([1, 2, 3, 4]), key: ['a', 'b', 'c', 'd'] });
const ROWS = 500_000;
const LARGE = tableFromArrays({ value: Float64Array.from({ length: ROWS }, (_, index) => index) });

for (const [runtime, code] of Object.entries(LANGUAGES)) {
  void suite(`tables of a step in ${runtime}`, runtime === 'python' ? needsPandas : {}, () => {
    let zygote: Zygote;
    before(async () => {
      zygote = await createZygote(code.options);
    });
    after(() => zygote.destroy());

    const step = (source: string, more: Partial<StepDefinition<undefined, undefined>> = {}): Plain =>
      defineStep({ zygote, code: source, function: 'run', ...more });

    void test('come as a path, bytes, a table, or what another step returned', async (context) => {
      const directory = temporaryDirectory(context, {});
      const path = join(directory, 'small.arrow');
      writeFileSync(path, tableToIPC(SMALL, 'file'));
      const bytes = tableToIPC(LARGE, 'file');
      const { tables } = await step(code.only)(null, { tables: { input: SMALL } });
      const given = { path, bytes, table: SMALL, large: LARGE, returned: tables['output'] as StepTable };
      const { message } = await step(code.count)(null, { tables: given });
      assert.deepEqual({ ...(message as object) }, { path: 4, bytes: ROWS, table: 4, large: ROWS, returned: 4 });
      const frozen = await step(code.sum)(null, { tables: { input: path }, freeze: true });
      assert.equal(frozen.message, 10);
      const growing = step(code.sum)(null, { tables: { input: path }, freeze: true });
      appendFileSync(path, 'what came later');
      assert.equal((await growing).message, 10);
    });

    void test('are returned, checked, and are tables with no copy', async (context) => {
      const { message, tables } = await step(code.filter)({ min: 250_000 }, { tables: { input: LARGE } });
      const output = tables['output'] as StepTable;
      assert.equal((message as { rows: number }).rows, 250_000);
      assert.deepEqual([output.numRows, output.summary.rows], [250_000, 250_000]);
      assert.deepEqual(
        output.summary.columns.map(({ name, type }) => [name, type]),
        [['value', 'double']],
      );
      const values = output.getChild('value')?.toArray() as Float64Array;
      assert.deepEqual([values[0], values.at(-1)], [250_000, ROWS - 1]);
      // Arrays over one and the same memory, which is the file's.
      assert.ok(values.buffer.byteLength >= 250_000 * 8);
      values[0] = -1;
      assert.equal((output.getChild('value')?.get(0) as number | null) ?? 0, -1);

      const again = await step(code.sum)(null, { tables: { input: output } });
      assert.equal(
        again.message,
        (250_000 + ROWS - 1) * 125_000,
        'another step sees what the first one wrote, and not the app',
      );

      const path = join(temporaryDirectory(context, {}), 'saved.arrow');
      writeFileSync(path, 'before', { mode: 0o600 });
      await output.saveTo(path);
      assert.equal((await checkArrowFile(path)).rows, 250_000);
      assert.equal(statSync(path).mode & 0o133, 0, 'an ordinary file');
      assert.equal(tableFromIPC(readFileSync(path)).numRows, 250_000);
      await assert.rejects(output.saveTo(join(path, 'below')), { code: 'ERR_TABLE', message: /ENOTDIR/ });
      output.close();
      await assert.rejects(async () => step(code.sum)(null, { tables: { input: output } }), {
        code: 'ERR_TABLE',
        message: /it was closed/,
      });
      assert.equal(output.numRows, 250_000, 'it can still be read');
    });

    void test('may be one, several, or written by hand', async () => {
      const input = { tables: { input: SMALL } };
      assert.equal((await step(code.only)(null, input)).tables['output']?.numRows, 4);
      const { message, tables } = await step(code.two)(null, input);
      assert.deepEqual([message, tables['first']?.numRows, tables['second']?.numRows], [undefined, 4, 3]);
      assert.equal((await step(code.write)(null, input)).tables['output']?.numRows, 4);
      const named = await step(code.only, { outputs: ['result'] })(null, input);
      assert.deepEqual(Object.keys(named.tables), ['result']);
    });

    void test('are what was declared, or that is the outcome', async () => {
      const input = { tables: { input: SMALL } };
      const refusal = async (call: Plain): Promise<string> => {
        const outcome = (await call.try(null, input)) as StepRefusal;
        assert.equal(outcome.ok, false);
        return `${outcome.result.cause}: ${outcome.failure?.message ?? outcome.result.detail}`;
      };
      assert.match(await refusal(step(code.many)), /exit: '4' is one table too many: a step may return 4/);
      assert.match(
        await refusal(step(code.two, { outputs: ['first'] })),
        /exit: 'second' is no table that the step may return/,
      );
      assert.match(
        await refusal(step(code.count, { outputs: ['needed'] })),
        /invalidOutput: .*the table 'needed' is missing/,
      );
      const optional = await step(code.count, { outputs: { needed: { optional: true } } })(null, input);
      assert.deepEqual(Object.keys(optional.tables), []);
      const schema = { value: 'int64', key: 'string' };
      assert.match(
        await refusal(step(code.only, { outputs: { output: { schema } } })),
        /invalidOutput: .*'value'.*double.*int64|invalidOutput: .*int64.*double/,
      );
      assert.match(
        await refusal(step(code.only, { outputs: { output: { maxBytes: 100 } } })),
        /fileSize|File too large|EFBIG|SIGXFSZ|allowed/,
      );
    });

    void test('that are not there are the error of who wants them', async (context) => {
      const { failure } = (await step(code.missing).try(null)) as StepRefusal;
      assert.match(failure?.message ?? '', /other|undefined/);
      const directory = temporaryDirectory(context, { 'empty.arrow': '' });
      mkdirSync(join(directory, 'sub'));
      symlinkSync('empty.arrow', join(directory, 'link.arrow'));
      const cannot = async (path: string, message: RegExp): Promise<void> => {
        await assert.rejects(
          async () => step(code.count)(null, { tables: { input: path } }),
          (error) => error instanceof SandboxError && error.code === 'ERR_TABLE' && message.test(error.message),
        );
      };
      await cannot(join(directory, 'missing.arrow'), /'input': ENOENT/);
      await cannot(join(directory, 'sub'), /not a regular file/);
      await cannot(join(directory, 'empty.arrow'), /it is empty/);
      await cannot(join(directory, 'link.arrow'), /'input': ELOOP/);
      await assert.rejects(async () => step(code.count)(null, { tables: { input: 7 as unknown as Table } }), {
        code: 'ERR_INVALID_OPTION',
        message: /tables\.input/,
      });
    });
  });
}
