import { join } from 'node:path';
import { packageRoot } from '../package-root.js';
import { WRITABLE } from './checks/tampering.js';

/** What stands before a command that is to run in a sandbox, or nothing. */
export interface Target {
  readonly name: string;
  /** Whether it can show a directory for writing. */
  readonly givesWritable: boolean;
  command(program: string, writable: string): readonly string[];
}

/** The control. */
export const OUTSIDE: Target = { name: 'without a sandbox', givesWritable: true, command: () => [] };

/** A sandbox of this library as `spawn-sandbox run` makes it: with its defaults but for the time, and what is accepted by name. */
export function ownTarget(accepted: readonly string[]): Target {
  const cli = [process.execPath, join(packageRoot, 'dist/cli/main.js'), 'run', '--wall-time', '5m', ...accepted];
  return {
    name: ['spawn-sandbox run', ...accepted].join(' '),
    givesWritable: true,
    command: (program, writable) => [...cli, '--read-only', program, '--writable', writable, '--'],
  };
}

const PLACE = `{${WRITABLE}}`;

/** Another sandbox, by its command line up to where the command begins; a shell splits it into words. */
export function commandTarget(text: string): Target {
  return {
    name: text,
    givesWritable: text.includes(PLACE),
    command: (_, writable) => ['/bin/sh', '-c', `exec ${text.replaceAll(PLACE, writable)} "$@"`, 'sh'],
  };
}
