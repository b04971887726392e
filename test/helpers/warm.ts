import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createZygote, type Zygote, type ZygoteOptions } from 'spawn-sandbox';

const ENVIRONMENT = join(import.meta.dirname, '../../../.venv');

/** A Python with pandas, pyarrow and numpy, which `scripts/setup-python.mjs` makes; nothing where that was impossible. */
export const PYTHON_WITH_PANDAS = existsSync(join(ENVIRONMENT, 'bin/python'))
  ? join(realpathSync(ENVIRONMENT), 'bin/python')
  : undefined;

export const needsPandas = {
  skip: PYTHON_WITH_PANDAS === undefined ? 'no .venv with pandas: node scripts/setup-python.mjs' : false,
};

/** A warm Python that is destroyed when the test has ended. */
export async function warmPython(
  context: Pick<TestContext, 'after'>,
  options: Partial<ZygoteOptions> = {},
): Promise<Zygote> {
  const zygote = await createZygote({ runtime: 'python', ...options });
  context.after(() => zygote.destroy());
  return zygote;
}
