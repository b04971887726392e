import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Cleaning } from './temporary-directory.js';

/** The package itself: an app that runs there may import `spawn-sandbox` by its name. */
export const PACKAGE = fileURLToPath(new URL('../../..', import.meta.url));

export interface AppEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Everything, also what `line()` has given. */
  readonly stdout: string;
  readonly stderr: string;
}

/** A running Node process that uses the library. */
export interface App {
  readonly pid: number;
  readonly child: ChildProcess;
  /** The next line that it prints; fails when it ends without one. */
  line(): Promise<string>;
  readonly ended: Promise<AppEnd>;
}

/** Ends an app that hangs, so that the test fails with what it has said and not with a timeout. */
const LONGEST_LIFE_MS = 60_000;

/**
 * Starts an app of its own: for what would end the process of the tests, or must not be configured in it.
 *
 * @param code an ES module
 */
export function startApp(
  context: Cleaning,
  code: string,
  {
    env = {},
    command = [process.execPath],
    within = LONGEST_LIFE_MS,
    args = [],
  }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly /** What executes Node, as `['prlimit', '--nofile=99', process.execPath]`. */ command?: readonly string[];
    readonly /** How long it may live. */ within?: number;
    readonly /** Its own, behind the program's name. */ args?: readonly string[];
  } = {},
): App {
  const [program = process.execPath, ...before] = command;
  const child = spawn(program, [...before, '--input-type=module', '--eval', code, ...args], {
    cwd: PACKAGE,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: within,
    killSignal: 'SIGKILL',
  });
  context.after(() => {
    child.kill('SIGKILL');
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<AppEnd>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      resolve({ status, signal, stdout, stderr });
    });
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? 0,
    child,
    ended,
    line: async () => {
      const next = await lines.next();
      if (next.done === true) throw new Error(`the app ended without another line\n${stderr}`);
      return next.value;
    },
  };
}

/** Runs an app to its end, and answers what it printed as JSON. */
export async function answerOf(
  context: Cleaning,
  code: string,
  options: Parameters<typeof startApp>[2] = {},
): Promise<unknown> {
  const { status, signal, stdout, stderr } = await startApp(context, code, options).ended;
  if (status !== 0)
    throw new Error(`the app ended with ${status ?? signal ?? ''}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`);
  return JSON.parse(stdout) as unknown;
}
