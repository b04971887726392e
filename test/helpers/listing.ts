import { execFileSync } from 'node:child_process';

/** Everything about a tree that a change could change, a line each: nobody can set the time at which an inode was changed. */
export function listing(directory: string): string {
  const format = '%P %y %m %U:%G %s %l %T@ %C@\\n';
  return execFileSync('find', [directory, '-printf', format], { encoding: 'latin1' }).split('\n').toSorted().join('\n');
}
