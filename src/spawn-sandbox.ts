import type { SandboxOptions } from './options/sandbox-options.js';
import { checkSignal } from './options/signal.js';
import { planStep } from './plan.js';
import { loadAddon, requireLinux } from './spawner/locate.js';
import { sharedConnection, trackStep, untrackStep } from './spawner/shared.js';
import { inputSource } from './step/input.js';
import type { Further } from './step/further.js';
import { RunningStep } from './step/running-step.js';
import type { Step } from './step/step.js';

/**
 * Runs a command confined, in a sandbox of its own that is gone afterwards.
 *
 * Returns at once. What the step does is its result and never an error; what the library could not do rejects with a
 * `SandboxError`.
 *
 * @param file a name that is looked up in the app's PATH and then in the step's, or an absolute path inside
 * @param args as the program finds them, without its own name
 * @param options what it may do and use
 * @throws SandboxError `ERR_INVALID_OPTION` or `ERR_UNSUPPORTED_PLATFORM`, before anything is started
 */
export function spawnSandbox(file: string, args: readonly string[] = [], options: SandboxOptions = {}): Step {
  return spawnWith(file, args, options);
}

/** As above, for the library itself: `further` are 3, 4 and so on in the command, in this order. */
export function spawnWith(
  file: string,
  args: readonly string[],
  options: SandboxOptions,
  further: readonly Further[] = [],
): RunningStep {
  requireLinux();
  const plan = planStep(file, args, options);
  const source = inputSource(options.input, plan.options);
  const step = new RunningStep(plan, source, checkSignal(options.signal), {
    addon: loadAddon(),
    connection: sharedConnection,
    onSettled: untrackStep,
    further,
  });
  trackStep(step);
  step.start();
  return step;
}
