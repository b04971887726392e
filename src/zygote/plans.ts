import { mergeOptions } from '../options/merge.js';
import { without, withoutOneStep } from '../options/one-step.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { type Plan, planWith } from '../plan.js';
import type { Policy } from '../policy/policy.js';
import { commonOptions, refuseOfTheSandbox, withoutOfTheSandbox } from '../sandbox/plans.js';
import { encodeBoot } from '../spawner/codec.js';
import { compileForZygote, resolveSyscalls, zygoteSyscalls } from '../syscalls/index.js';
import { parseSize } from '../units.js';
import { checkFilesystem, type ResolvedZygoteOptions } from './options.js';
import { mainProgram, type RuntimeName, runtimeMounts } from './runtimes.js';

const LEAST_MEMORY = 2 ** 30;
/** What it prints while it preloads, for the error when that fails. */
const KEPT_OUTPUT = '64KiB';

/**
 * How the zygote itself runs: confined like a step, by default system calls, in an empty network. What its steps may
 * write, it may read; what bounds one of them does not bound it.
 */
export function planZygote(options: ResolvedZygoteOptions): Plan {
  const plan = planInterpreter(options, {});
  return { ...plan, policy: zygotePolicy(plan.policy, options.runtime, options.sandbox.syscalls) };
}

/** What a step of its own that is to wait for its job starts with. */
export function planBoot(options: ResolvedZygoteOptions): Pick<Policy, 'boot' | 'bootInput'> {
  const { file, argv, settings } = planInterpreter(options, { stdout: 'ignore', stderr: 'ignore' });
  return { boot: encodeBoot({ file, argv }, settings), bootInput: preloadConfig(options) };
}

/** What the runtime's own end (runtimes/) reads from stdin. */
export function preloadConfig({ preload, preloadCode, mode }: ResolvedZygoteOptions): Buffer {
  return Buffer.from(JSON.stringify({ preload, code: preloadCode, mode }));
}

function planInterpreter({ runtime, interpreter, sandbox }: ResolvedZygoteOptions, own: SandboxOptions): Plan {
  const { filesystem = {}, limits = {} } = sandbox;
  const { writable = [], overlay = [], readOnly = [], hide = [] } = filesystem;
  const options: SandboxOptions = {
    // Its own system calls are said elsewhere, and where it starts is its own home.
    ...without(withoutOneStep(sandbox), ['syscalls', 'cwd']),
    filesystem: { hide, readOnly: [...readOnly, ...writable, ...overlay] },
    limits: {
      memory:
        limits.memory === undefined ? LEAST_MEMORY : Math.max(parseSize(limits.memory, 'limits.memory'), LEAST_MEMORY),
      processes: 1024,
      wallTime: Infinity,
      output: Infinity,
      openFiles: Infinity, // that of each step is lower
    },
    collect: KEPT_OUTPUT,
    stdin: 'pipe', // its configuration
    ...own,
  };
  const argv = [interpreter, ...mainProgram(runtime)].map((text) => Buffer.from(text));
  return planWith(interpreter, argv, options);
}

function zygotePolicy(policy: Policy, runtime: RuntimeName, asked: SandboxOptions['syscalls']): Policy {
  const filters = compileForZygote(zygoteSyscalls(resolveSyscalls(asked)), resolveSyscalls('default'));
  return {
    ...policy,
    mounts: [...policy.mounts, ...runtimeMounts(runtime)],
    baseFilter: filters.base,
    stepFilter: filters.step,
    stepFilterNotifies: filters.notifies,
    reuseNet: false,
    reuseUser: false,
    keyless: false, // it has to be able to join one for a step
    zygote: true,
  };
}

/** How one of its steps runs; whose step it is, is still to be said. */
export function planJob(
  { interpreter, sandbox, parked }: ResolvedZygoteOptions,
  job: readonly Buffer[],
  own: SandboxOptions,
): Plan {
  const options = mergeOptions(sandbox, own);
  checkFilesystem(options, parked);
  return planWith(interpreter, job, options);
}

/** As `planBoot`, in a sandbox that lives: the program finds what that was made of. */
export function planBootInside(
  options: ResolvedZygoteOptions,
  sandbox: SandboxOptions,
): Pick<Policy, 'boot' | 'bootInput'> {
  return planBoot({ ...options, sandbox: insideOptions(options, sandbox) });
}

/** As `planJob`, in a sandbox that lives. @throws SandboxError `ERR_INVALID_OPTION` */
export function planJobInside(
  options: ResolvedZygoteOptions,
  job: readonly Buffer[],
  sandbox: SandboxOptions,
  own: SandboxOptions,
): Plan {
  refuseOfTheSandbox(own);
  // What a sandbox hides it has hidden when it was made.
  return planJob({ ...options, parked: 0, sandbox: insideOptions(options, sandbox) }, job, own);
}

/** What the sandbox is made of is the sandbox's; the rest is the zygote's where it was given any. */
function insideOptions({ sandbox: zygote }: ResolvedZygoteOptions, sandbox: SandboxOptions): SandboxOptions {
  return mergeOptions(commonOptions(sandbox), withoutOfTheSandbox(zygote));
}
