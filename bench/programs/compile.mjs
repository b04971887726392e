import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The bench's own C programs, compiled once; the directory goes when the bench does. */
export function compilePrograms() {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const programs = {};
  for (const name of ['floor', 'syscalls', 'zeros']) {
    programs[name] = join(directory, name);
    execFileSync('cc', ['-std=gnu17', '-O2', '-o', programs[name], join(import.meta.dirname, `${name}.c`)]);
  }
  return programs;
}
