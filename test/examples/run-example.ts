import { spawn } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `examples/<name>` as a reader would, in a Node of its own. */
export function runExample(name: string): Promise<Ran> {
  return run(process.execPath, [join(ROOT, 'examples', name)]);
}

export function examplePath(name: string): string {
  return join(ROOT, 'examples', name);
}

/** Runs a program unconfined, and never rejects for what it does. */
export async function run(
  file: string,
  args: readonly string[],
  { env = {}, input = '' }: { readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {},
): Promise<Ran> {
  const child = spawn(file, args, { env: { ...process.env, NO_COLOR: '1', ...env } });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { status, stdout: stdout(), stderr: stderr() };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}
