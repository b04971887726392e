import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface VirtualEnvironment {
  readonly directory: string;
  /** The interpreter that it was made from, which holds the standard library. */
  readonly basePython: string;
}

/** The Python virtual environment that a program belongs to: `DIR/pyvenv.cfg` beside `DIR/bin/NAME`. */
export function virtualEnvironmentOf(program: string): VirtualEnvironment | undefined {
  const directory = dirname(dirname(program));
  const config = join(directory, 'pyvenv.cfg');
  if (!existsSync(config)) return undefined;
  const home = /^home\s*=\s*(.+)$/m.exec(readFileSync(config, 'utf8'))?.[1]?.trim();
  const python = join(directory, 'bin', 'python');
  const basePython =
    home === undefined
      ? undefined
      : ['python3', 'python'].map((name) => join(home, name)).find((path) => existsSync(path));
  return { directory, basePython: basePython ?? (existsSync(python) ? realpathSync(python) : program) };
}
