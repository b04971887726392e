import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'node:test';
import { makePyenv, makeVirtualEnvironment } from '../helpers/python-installations.js';
import { run, stdoutOf } from '../helpers/run.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { testWith } from '../helpers/tools.js';
import { withPath } from '../helpers/with-variable.js';

const IMPORTS = 'import greeting, json, sys; print(greeting.TEXT, sys.prefix)';

void suite('Python outside of /usr', () => {
  testWith(['python3'], 'a venv runs by the path of its interpreter and of its console scripts', async (context) => {
    const directory = join(temporaryDirectory(context), 'environment');
    const bin = makeVirtualEnvironment(directory);
    const expected = `from site-packages ${directory}`;
    assert.equal(await stdoutOf(join(bin, 'python'), ['-c', IMPORTS]), expected);
    assert.equal(await stdoutOf(join(bin, 'greet')), expected);
  });

  testWith(
    ['python3'],
    'a venv that the app has activated is found by name, and by what the step itself starts',
    async (context) => {
      const directory = join(temporaryDirectory(context), 'environment');
      const bin = makeVirtualEnvironment(directory);
      await withPath(bin, async () => {
        const expected = `from site-packages ${directory}`;
        assert.equal(await stdoutOf('python', ['-c', IMPORTS]), expected);
        assert.equal(await stdoutOf('greet'), expected);
        const code = 'import subprocess; subprocess.run(["greet"], check=True)';
        assert.equal(await stdoutOf('python', ['-c', code]), expected);
      });
    },
  );

  testWith(['python3'], 'a venv can be made and used inside', async () => {
    const script = `
      python3 -m venv --without-pip environment && . environment/bin/activate
      python -c 'import sys; print(sys.prefix, sys.prefix != sys.base_prefix)'`;
    assert.equal(await stdoutOf('sh', ['-c', script]), '/home/sandbox/environment True');
  });

  testWith(['python3'], 'an interpreter of pyenv runs by its path', async (context) => {
    const { prefix } = makePyenv(join(temporaryDirectory(context), 'pyenv'));
    const code = 'import sys, json, decimal, os; print(sys.prefix, os.path.dirname(json.__file__))';
    const output = await stdoutOf(join(prefix, 'bin', 'python3'), ['-c', code]);
    assert.match(output, new RegExp(`^${prefix} ${prefix}/lib/python3[.0-9]+/json$`));
  });

  testWith(
    ['python3'],
    'a shim of pyenv runs the version that it stands for, which starts itself again',
    async (context) => {
      const { shims, prefix } = makePyenv(join(temporaryDirectory(context), 'pyenv'));
      await withPath(shims, async () => {
        const code = `
import subprocess, sys
from multiprocessing import get_context
print(sys.prefix, flush=True)
subprocess.run(['python3', '-c', 'import sys; print(sys.prefix)'], check=True)
if __name__ == '__main__':
    with get_context('spawn').Pool(1) as pool: print(pool.map(abs, [-1]))`;
        assert.equal(await stdoutOf('python3', ['-c', code]), `${prefix}\n${prefix}\n[1]`);
      });
    },
  );

  testWith(['python3'], 'a venv of an interpreter of pyenv runs', async (context) => {
    const directory = temporaryDirectory(context);
    const { prefix } = makePyenv(join(directory, 'pyenv'));
    const environment = join(directory, 'environment');
    await run(join(prefix, 'bin', 'python3'), ['-m', 'venv', '--without-pip', environment], {
      filesystem: { writable: [directory] },
    });
    const code = 'import sys, json; print(sys.prefix, sys.base_prefix)';
    assert.equal(await stdoutOf(join(environment, 'bin', 'python'), ['-c', code]), `${environment} ${prefix}`);
    rmSync(environment, { recursive: true });
  });
});
