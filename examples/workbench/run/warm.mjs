// One warm Python and one warm Node for all steps of a run, started when the first step needs them.
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { createZygote } from 'spawn-sandbox';

const ROOT = join(import.meta.dirname, '../../..');
const ENVIRONMENT = join(ROOT, '.venv');
const MODULES = join(ROOT, 'node_modules');

const RUNTIMES = {
  python: () => ({ runtime: 'python', interpreter: pythonWithPandas(), preload: ['pandas', 'pyarrow', 'pyarrow.csv'] }),
  node: () => ({
    runtime: 'node',
    preload: ['apache-arrow'],
    filesystem: { readOnly: [MODULES] },
    env: { NODE_PATH: MODULES },
  }),
};

export class WarmRuntimes {
  #clock;
  #zygotes = new Map();
  /** When each was begun and warm, for the time line. */
  starts = [];

  constructor(clock) {
    this.#clock = clock;
  }

  /** @param {'python' | 'node'} runtime */
  get(runtime) {
    if (!this.#zygotes.has(runtime)) this.#zygotes.set(runtime, this.#start(runtime));
    return this.#zygotes.get(runtime);
  }

  /** It will be needed: by then it is warm, or on its way. Whoever needs it learns of an error. */
  begin(runtime) {
    this.get(runtime).catch(() => undefined);
  }

  async #start(runtime) {
    const start = this.#clock();
    const options = RUNTIMES[runtime]();
    const zygote = await createZygote(options);
    this.starts.push({ runtime, preload: options.preload, start, end: this.#clock() });
    return zygote;
  }

  async destroy() {
    const settled = await Promise.allSettled(this.#zygotes.values());
    await Promise.all(settled.map(({ value }) => value?.destroy()));
  }
}

function pythonWithPandas() {
  const python = join(ENVIRONMENT, 'bin/python');
  if (!existsSync(python)) throw new Error('no Python with pandas and pyarrow: node scripts/setup-python.mjs');
  return join(realpathSync(ENVIRONMENT), 'bin/python');
}
