import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createSandbox, type Sandbox, type SandboxOptions, type Step, type StepResult } from 'spawn-sandbox';

/** A sandbox that is destroyed with the test. */
export async function living(context: TestContext, options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await createSandbox(options);
  context.after(() => sandbox.destroy());
  return sandbox;
}

export function sh(sandbox: Sandbox, script: string, options: SandboxOptions = {}): Step {
  return sandbox.spawn('sh', ['-c', script], options);
}

export function python(sandbox: Sandbox, code: string, options: SandboxOptions = {}): Step {
  return sandbox.spawn('python3', ['-c', code], options);
}

/** Of a step that must end well. */
export async function stdoutOf(step: PromiseLike<StepResult>): Promise<string> {
  const { ok, stdout, detail, stderr } = await step;
  assert.ok(ok, `${detail} ${String(stderr)}`);
  return String(stdout).trim();
}

/** A step whose first line has been read, and what it has written so far. */
export async function speaking(step: Step): Promise<{ readonly step: Step; readonly bytes: () => number }> {
  let bytes = 0;
  const first = new Promise((resolve) => {
    step.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      resolve(undefined);
    });
  });
  await first;
  return { step, bytes: () => bytes };
}
