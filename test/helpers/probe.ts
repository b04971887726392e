import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findInPath } from '#src/policy/lookup.js';
import { compiledBefore } from './compiled.js';

const SOURCES = fileURLToPath(new URL('../../../test/steps/', import.meta.url));

/** Programs of hostile code, compiled once per test file; nothing without a compiler. */
export function compileProbe(name: string): string | undefined {
  const compiled = compiledBefore(name);
  if (compiled !== undefined) return compiled;
  if (findInPath('gcc', process.env['PATH'] ?? '') === undefined) return undefined;
  const directory = mkdtempSync(join(tmpdir(), 'spawn-sandbox-probe-'));
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  chmodSync(directory, 0o755); // a step of a root app has another uid
  const program = join(directory, name);
  const { status, stderr } = spawnSync('gcc', ['-O1', '-w', '-o', program, join(SOURCES, `${name}.c`)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`gcc cannot compile ${name}.c: ${stderr}`);
  return program;
}

/** The control: the same program without a sandbox around it, as the user that runs the tests. */
export function runOutside(program: string, args: readonly string[] = []): string {
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? signal ?? status}: ${stderr}`);
  return stdout;
}
