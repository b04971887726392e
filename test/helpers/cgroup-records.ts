import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The directories of the cgroup hierarchies that the spawners with this state directory have put on record. */
export function recordedCgroups(stateDirectory: string): readonly string[] {
  if (!existsSync(stateDirectory)) return [];
  const records = readdirSync(stateDirectory).filter((name) => name.startsWith('spawner-'));
  const lines = records.flatMap((name) => readFileSync(join(stateDirectory, name), 'utf8').split('\n'));
  return lines.filter((line) => line !== '');
}

/** How many cgroups there are below the recorded ones. */
export function countCgroups(paths: readonly string[]): number {
  const count = (path: string): number =>
    readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory()).length;
  return paths.reduce((sum, path) => sum + count(path), 0);
}
