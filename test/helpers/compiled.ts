import { join } from 'node:path';

/** Where there is no compiler, `SPAWN_SANDBOX_TEST_STEPS` is a directory with the programs that were compiled before. */
export function compiledBefore(name: string): string | undefined {
  const directory = process.env['SPAWN_SANDBOX_TEST_STEPS'];
  return directory === undefined ? undefined : join(directory, name);
}
