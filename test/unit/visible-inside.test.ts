import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import type { ResolvedMount } from '#src/options/filesystem.js';
import { notVisibleInside } from '#src/zygote/visible-inside.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';
import { withPath } from '../helpers/with-variable.js';

/** `P/bin/interpreter` of an installation, which the app's PATH has. */
function prefix(context: TestContext): string {
  const directory = realpathSync(temporaryDirectory(context));
  for (const name of ['bin', 'lib']) mkdirSync(join(directory, name));
  const program = join(directory, 'bin/an-interpreter');
  writeFileSync(program, '#!/bin/sh\n');
  chmodSync(program, 0o755);
  return directory;
}

const mount = (source: string, target = source): ResolvedMount => ({
  source,
  target,
  access: 'readOnly',
  optional: false,
});

void suite('an interpreter in a sandbox that lives', () => {
  void test('must be shown by it, from its own place', async (context) => {
    const directory = prefix(context);
    await withPath(join(directory, 'bin'), () => {
      check(directory);
      return Promise.resolve();
    });
  });

  void test('is always seen in /usr', () => {
    assert.equal(notVisibleInside('sh', []), undefined);
  });
});

function check(directory: string): void {
  const missing = (...mounts: ResolvedMount[]) => notVisibleInside('an-interpreter', mounts);
  const error = missing();
  assert.deepEqual([error?.code, error?.path], ['ERR_COMMAND_NOT_FOUND', directory]);
  assert.ok(error?.remedy?.includes(JSON.stringify(directory)));
  assert.equal(missing(mount(directory)), undefined);
  const above = join(directory, '..');
  assert.equal(missing(mount(above)), undefined);
  for (const mounts of [
    [mount('/usr', directory)],
    [mount(above), mount('/usr', directory)],
    [mount(directory, '/elsewhere')],
    [mount(join(directory, 'bin'))],
  ]) {
    assert.equal(missing(...mounts)?.path, directory, JSON.stringify(mounts));
  }
}
