import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PYTHON } from './zygote-runtimes.mjs';

const root = join(import.meta.dirname, '../..');
const PROGRAMS = join(root, 'bench/programs');
const MODULES = join(root, 'node_modules');

/** `options`: of a zygote that need not know tables. `withTables`: of one that does. Each piece of code exports `run`. */
export const TYPED_RUNTIMES = [
  {
    name: 'Python',
    available: existsSync(PYTHON),
    options: { runtime: 'python', interpreter: PYTHON },
    withTables: { runtime: 'python', interpreter: PYTHON, preload: ['pyarrow', 'pyarrow.compute', 'pandas'] },
    pingPong: [PYTHON, join(PROGRAMS, 'ping_pong.py')],
    echoEach: 'def run(params):\n  for item in params:\n    yield item',
    echo: 'def run(params):\n  return params',
    nothing: '',
    ignoreTables: 'def run(params, tables):\n  return 0',
    openTables: 'def run(params, tables):\n  return sum(table.num_rows for table in tables.values())',
  },
  {
    name: 'Node',
    available: true,
    options: { runtime: 'node' },
    withTables: {
      runtime: 'node',
      preload: ['apache-arrow'],
      filesystem: { readOnly: [MODULES] },
      env: { NODE_PATH: MODULES },
    },
    pingPong: [process.execPath, join(PROGRAMS, 'ping-pong.cjs')],
    echoEach: 'exports.run = async function* (params) { for await (const item of params) yield item; };',
    echo: 'exports.run = (params) => params;',
    nothing: '',
    ignoreTables: 'exports.run = () => 0;',
    openTables:
      'exports.run = (params, tables) => Object.values(tables).reduce((sum, table) => sum + table.numRows, 0);',
  },
].filter(({ available }) => available);

export const TABLES_IN_PYTHON = TYPED_RUNTIMES.find(({ name }) => name === 'Python');
