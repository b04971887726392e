import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiledBefore } from './compiled.js';
import { type Cleaning, temporaryDirectory } from './temporary-directory.js';

const SOURCES = fileURLToPath(new URL('../../../test/steps/', import.meta.url));
const NATIVE = fileURLToPath(new URL('../../../native/', import.meta.url));

/** What is needed to have such programs. */
export const COMPILERS = compiledBefore('') === undefined ? (['cc'] as const) : [];

/** Compiles `test/steps/runtime.c`, which is a zygote by itself. */
export function nativeRuntime(context: Cleaning): string {
  return stepProgram(context, 'runtime', [`-I${NATIVE}`, join(NATIVE, 'build/zygote.a')]);
}

/** Compiles `test/steps/NAME.c`. */
export function stepProgram(context: Cleaning, name: string, more: readonly string[] = []): string {
  const compiled = compiledBefore(name);
  if (compiled !== undefined) return compiled;
  const program = join(temporaryDirectory(context), name);
  const { status, error, stderr } = spawnSync('cc', ['-O1', '-o', program, join(SOURCES, `${name}.c`), ...more], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`cc cannot compile ${name}.c: ${error?.message ?? stderr}`);
  return program;
}
