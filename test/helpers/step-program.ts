import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compiledBefore } from './compiled.js';
import { temporaryDirectory } from './temporary-directory.js';

const SOURCES = fileURLToPath(new URL('../../../test/steps/', import.meta.url));

/** Compiles `test/steps/NAME.c`. */
export function stepProgram(context: { after(clean: () => void): void }, name: string): string {
  const compiled = compiledBefore(name);
  if (compiled !== undefined) return compiled;
  const program = join(temporaryDirectory(context), name);
  const { status, error, stderr } = spawnSync('cc', ['-O1', '-o', program, join(SOURCES, `${name}.c`)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`cc cannot compile ${name}.c: ${error?.message ?? stderr}`);
  return program;
}
