import assert from 'node:assert/strict';
import { type SandboxOptions, spawnSandbox, type StepResult } from 'spawn-sandbox';

type TextResult = StepResult & { readonly stdout: string; readonly stderr: string };

/** Runs a command to its good end. Any other end fails the test, with all that is known of it. */
export async function run(
  file: string,
  args: readonly string[] = [],
  options: SandboxOptions = {},
): Promise<TextResult> {
  const result = await spawnSandbox(file, args, options);
  const { ok, stdout, stderr, cause, status, detail } = result;
  assert.ok(typeof stdout === 'string' && typeof stderr === 'string');
  assert.ok(
    ok,
    `${file}: ${cause} ${status}: ${detail}\n--- stdout\n${stdout.slice(-4000)}\n--- stderr\n${stderr.slice(-4000)}`,
  );
  return { ...result, stdout, stderr };
}

/** What a command prints to stdout, without spaces at its ends. */
export async function stdoutOf(
  file: string,
  args: readonly string[] = [],
  options: SandboxOptions = {},
): Promise<string> {
  return (await run(file, args, options)).stdout.trim();
}
