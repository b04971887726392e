import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from './temporary-directory.js';

const SOURCES = fileURLToPath(new URL('../../../test/steps/', import.meta.url));

/** Compiles `test/steps/NAME.c`; where there is no compiler, `SPAWN_SANDBOX_TEST_STEPS` is a directory with what was compiled before. */
export function stepProgram(context: { after(clean: () => void): void }, name: string): string {
  const compiled = process.env['SPAWN_SANDBOX_TEST_STEPS'];
  if (compiled !== undefined) return join(compiled, name);
  const program = join(temporaryDirectory(context), name);
  const { status, error, stderr } = spawnSync('cc', ['-O1', '-o', program, join(SOURCES, `${name}.c`)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`cc cannot compile ${name}.c: ${error?.message ?? stderr}`);
  return program;
}
