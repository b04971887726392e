import { SandboxError } from '../errors.js';
import type { Cause, StepResult } from '../result.js';

/** As `timeout`, `env` and container tools have it, so that scripts can tell the tool's failures from the command's. */
export const EXIT = {
  timeout: 124,
  failed: 125,
  notExecutable: 126,
  notFound: 127,
  signalBase: 128,
} as const;

const TIMEOUTS: readonly Cause[] = ['wallTimeout', 'cpuTimeout', 'idleTimeout'];

export function exitStatusOf({ cause, status }: StepResult): number {
  if (TIMEOUTS.includes(cause)) return EXIT.timeout;
  return status < 0 ? EXIT.signalBase - status : status;
}

export function exitStatusOfError(error: unknown): number {
  if (!(error instanceof SandboxError)) return EXIT.failed;
  if (error.code === 'ERR_COMMAND_NOT_FOUND') return EXIT.notFound;
  if (error.code === 'ERR_COMMAND_NOT_EXECUTABLE') return EXIT.notExecutable;
  return EXIT.failed;
}
