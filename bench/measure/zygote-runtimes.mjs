import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const PYTHON = join(import.meta.dirname, '../../.venv/bin/python');

/** What is started cold by `child_process`, without a sandbox, and warm by a zygote. */
const PANDAS = {
  name: 'Python with pandas',
  available: existsSync(PYTHON),
  options: { runtime: 'python', interpreter: PYTHON, preload: ['pandas'] },
  cold: [PYTHON, '-c'],
  code: 'import os, pandas as pd\nframe = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})\nos.write(1, str(int(frame.a.sum())).encode())',
  expected: '6',
  goals: { demand: 50, parked: 200, own: 4 << 20 },
};
const NODE = {
  name: 'Node',
  available: true,
  options: { runtime: 'node' },
  cold: [process.execPath, '-e'],
  code: "require('fs').writeSync(1, String(6))",
  expected: '6',
  goals: { demand: 15, parked: 50, own: 8 << 20 },
};
/** What a fork costs without the memory that pandas needs. */
const PLAIN_PYTHON = {
  name: 'plain Python',
  available: existsSync(PYTHON),
  options: { runtime: 'python', interpreter: PYTHON },
  code: 'import os\nos.write(1, str(6).encode())',
  expected: '6',
};

const available = (runtimes) => runtimes.filter((runtime) => runtime.available);

export const RUNTIMES = available([PANDAS, NODE]);
export const TAKEN_APART = available([PANDAS, PLAIN_PYTHON, NODE]);
/** The only one that peers run, too. */
export const SHARED_WITH_PEERS = PANDAS;
