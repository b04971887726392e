import { writeFileSync } from 'node:fs';
import { printable } from '../printable.js';
import type { StepResult } from '../result.js';
import type { Step } from '../step/step.js';
import { exitStatusOf, exitStatusOfError } from './exit-status.js';

/** Runs what a verb does with a step; its exit status, whatever happens. */
export async function exitStatus(perform: () => Promise<number>): Promise<number> {
  try {
    return await perform();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`spawn-sandbox: ${printable(message, '\n\t')}\n`);
    return exitStatusOfError(error);
  }
}

/**
 * Passes our stdin and signals on to the step until it has ended; its output is relayed by its options.
 *
 * @param atEnd called while stdin is still open
 */
export async function relayed(step: Step, atEnd: () => void = () => undefined): Promise<StepResult> {
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
    atEnd();
    process.stdin.destroy();
    for (const signal of signals) process.off(signal, forward);
  }
}

/** Writes the result where that was asked for, and says what the command cannot say itself: why we ended it. */
export function conclude(result: StepResult, resultFile: string | undefined): number {
  if (resultFile !== undefined) writeFileSync(resultFile, `${JSON.stringify(result, null, 2)}\n`);
  if (!['exit', 'signal', 'killed'].includes(result.cause))
    process.stderr.write(`spawn-sandbox: ${printable(result.detail, '\n\t')}\n`);
  return exitStatusOf(result);
}
