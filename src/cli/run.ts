import { writeFileSync } from 'node:fs';
import type { SandboxOptions } from '../options/sandbox-options.js';
import type { StepResult } from '../result.js';
import { spawnSandbox } from '../spawn-sandbox.js';
import type { Step } from '../step/step.js';
import { exitStatusOf, exitStatusOfError } from './exit-status.js';
import { HELP } from './help.js';
import { runReviewed } from './review.js';
import { parseRunArguments } from './run-arguments.js';

/** `spawn-sandbox run`: the step's streams are ours, and so is its exit status. */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    const { help, file, args, options, resultFile, review } = parseRunArguments(argv);
    if (help) {
      process.stdout.write(HELP);
      return 0;
    }
    const streams: SandboxOptions = {
      stdin: 'pipe',
      stdout: 'inherit',
      stderr: 'inherit',
      ...(resultFile === undefined ? { collect: false } : {}),
    };
    const result = await (review === undefined
      ? relayed(spawnSandbox(file, args, { ...options, ...streams }))
      : runReviewed(options, (sandbox, limits) => relayed(sandbox.spawn(file, args, { ...streams, limits })), review));
    if (resultFile !== undefined) writeFileSync(resultFile, `${JSON.stringify(result, null, 2)}\n`);
    explainEnding(result);
    return exitStatusOf(result);
  } catch (error) {
    process.stderr.write(`spawn-sandbox: ${error instanceof Error ? error.message : String(error)}\n`);
    return exitStatusOfError(error);
  }
}

async function relayed(step: Step): Promise<StepResult> {
  const forward = (signal: NodeJS.Signals): void => {
    step.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
  for (const signal of signals) process.on(signal, forward);
  // Whoever read our output is gone, so nobody needs the step any more.
  process.stdout.on('error', () => {
    step.kill('SIGKILL');
  });
  if (step.stdin !== null) process.stdin.pipe(step.stdin);
  try {
    return await step.result;
  } finally {
    process.stdin.destroy();
    for (const signal of signals) process.off(signal, forward);
  }
}

/** What the command cannot say itself: why we ended it. */
function explainEnding(result: StepResult): void {
  if (result.cause === 'exit' || result.cause === 'signal' || result.cause === 'killed') return;
  process.stderr.write(`spawn-sandbox: ${result.detail}\n`);
}
