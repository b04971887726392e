import { RecentMap } from '../options/cache.js';
import { invalidOption } from '../options/check.js';
import { mergeOptions } from '../options/merge.js';
import { without } from '../options/one-step.js';
import { type ResolvedOptions, resolveFlag, resolveOptions } from '../options/resolve.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import type { ResolvedMount } from '../options/filesystem.js';
import { argvOf, optionsKey, passedOnKey, type Plan, planResolved, type Resolved, resolveOnce } from '../plan.js';
import { type Command, locateCommand, NO_COMMAND } from '../policy/command.js';
import type { BoundPath } from '../policy/interpreter.js';
import { buildPolicy, type Policy } from '../policy/policy.js';
import { startSettings } from '../policy/start-settings.js';
import { encodeStartSettings } from '../spawner/codec.js';
import { alwaysRefuses } from '../syscalls/index.js';
import { allRuntimeMounts } from '../zygote/runtimes.js';

/** How a sandbox is built, and what bounds it as a whole. */
export interface SandboxPlan {
  readonly options: ResolvedOptions;
  readonly policy: Policy;
  readonly settings: Uint8Array;
}

/** Where nothing is said, a sandbox lives until it is destroyed, and what is written is bounded for each command. */
const UNBOUNDED = { wallTime: Infinity, output: Infinity };
/** What a sandbox has once and for all. */
const OF_THE_SANDBOX = [
  'filesystem',
  'user',
  'network',
  'syscalls',
  'coreScheduling',
  'allowMissing',
  'allowWeaker',
] as const;

/** @throws SandboxError `ERR_INVALID_OPTION` */
export function planSandbox(options: SandboxOptions): SandboxPlan {
  for (const name of ['input', 'stdin', 'signal', 'terminal'] as const) {
    if (options[name] !== undefined) throw invalidOption(name, 'belongs to a command, and not to createSandbox()');
  }
  const { keepBackground, ...others } = options;
  resolveFlag(keepBackground, 'keepBackground');
  const resolved = resolveOptions({ ...others, limits: { ...UNBOUNDED, ...options.limits } });
  const policy = buildPolicy(resolved, NO_COMMAND, true);
  return {
    options: resolved,
    policy: {
      ...policy,
      mounts: [...policy.mounts, ...allRuntimeMounts()],
      reuseNet: false,
      reuseUser: false,
      session: true,
    },
    // Whoever waits for the sandbox learns by that that it is there.
    settings: encodeStartSettings({
      ...startSettings({ ...resolved, stdout: 'ignore', stderr: 'ignore' }, NO_COMMAND, false),
      announce: true,
    }),
  };
}

/** Its commands run in it as it is: the spawner takes no more of their policy than how to look at them. */
export function policyOfCommands({ policy }: SandboxPlan, stepId: number): Policy {
  return { ...policy, session: false, within: stepId };
}

/** A command, and whether what outlives it stays. */
export interface CommandPlan extends Plan {
  readonly keeps: boolean;
}

const MORE = { keepBackground: { keepBackground: true }, announce: { announce: true } } as const;

function withMore(settings: Uint8Array, asked: Record<keyof typeof MORE, boolean>): Uint8Array {
  const more = (Object.keys(MORE) as (keyof typeof MORE)[]).filter((name) => asked[name]);
  return more.length === 0
    ? settings
    : Buffer.concat([settings, ...more.map((name) => encodeStartSettings(MORE[name]))]);
}

/** The spawner tells when it is released. */
export function announced<T extends Plan>(plan: T, announce: boolean): T {
  return { ...plan, settings: withMore(plan.settings, { keepBackground: false, announce }) };
}

/** What a command's own options come to in its sandbox. */
interface Settled {
  readonly resolved: Resolved;
  readonly keeps: boolean;
}

/** Plans the commands of one sandbox. Most have no options of their own, or equal ones, which are settled once. */
export class CommandPlanner {
  readonly #sandbox: SandboxOptions;
  readonly #settled = new RecentMap<string, Settled>(64);

  constructor(sandbox: SandboxOptions) {
    this.#sandbox = sandbox;
  }

  /** @throws SandboxError `ERR_INVALID_OPTION` */
  plan(
    file: string,
    args: readonly string[],
    own: SandboxOptions,
    { policy, announce }: { readonly policy: Policy; readonly announce: boolean },
  ): CommandPlan {
    const argv = argvOf(file, args);
    const { resolved, keeps } = this.#settle(own);
    const plan = planResolved(file, argv, resolved, own.input !== undefined, locateInside);
    return { ...plan, policy, keeps, settings: withMore(plan.settings, { keepBackground: keeps, announce }) };
  }

  #settle(own: SandboxOptions): Settled {
    const key = optionsKey(own) + passedOnKey(this.#sandbox);
    let settled = this.#settled.get(key);
    if (settled === undefined) this.#settled.set(key, (settled = settle(this.#sandbox, own)));
    return settled;
  }
}

function settle(sandbox: SandboxOptions, own: SandboxOptions): Settled {
  refuseOfTheSandbox(own);
  const { keepBackground, ...others } = mergeOptions(
    {
      ...commonOptions(sandbox),
      ...(sandbox.keepBackground === undefined ? {} : { keepBackground: sandbox.keepBackground }),
    },
    own,
  );
  const keeps = resolveFlag(keepBackground, 'keepBackground');
  const resolved = resolveOnce(others);
  if (resolved.options.terminal !== undefined) refuseReaching(resolved.options);
  return { resolved, keeps };
}

const REACHING = ['ptrace', 'pidfd_getfd', 'process_vm_writev'];

/**
 * Before its program runs, a command holds the other end of its terminal, of which the app relies on that nobody else does: a read could wait
 * otherwise.
 */
function refuseReaching({ syscalls, allowMissing }: ResolvedOptions): void {
  if (!allowMissing.includes('seccomp') && alwaysRefuses(syscalls, REACHING)) return;
  throw invalidOption(
    'terminal',
    `is not for a sandbox whose commands may reach into each other by ${REACHING.join(', ')}: refuse these there, or use spawnSandbox()`,
  );
}

/** @throws SandboxError `ERR_INVALID_OPTION` for what a sandbox has once and for all */
export function refuseOfTheSandbox(own: SandboxOptions): void {
  for (const name of OF_THE_SANDBOX) {
    if (own[name] !== undefined) throw invalidOption(name, 'is that of the sandbox: give it to createSandbox()');
  }
  if (own.limits?.scratch !== undefined) {
    throw invalidOption('limits.scratch', 'is that of the sandbox: give it to createSandbox()');
  }
}

/** What each of its commands has unless it is given others, but for what only they can have. */
export function commonOptions(sandbox: SandboxOptions): SandboxOptions {
  // For how long a sandbox may be without a command says nothing of how long a command may be silent.
  return { ...without(sandbox, ['keepBackground']), limits: { ...sandbox.limits, idleTime: Infinity } };
}

/** Without what a sandbox has once and for all. */
export function withoutOfTheSandbox(options: SandboxOptions): SandboxOptions {
  return { ...without(options, OF_THE_SANDBOX), limits: without(options.limits ?? {}, ['scratch']) };
}

/** Nothing more can be mounted: a program of the app's that is not in the sandbox is looked up there by its name. */
function locateInside(file: string, mounts: readonly ResolvedMount[]): Command {
  const command = locateCommand(file, mounts);
  const isThere = ({ source, target }: BoundPath): boolean =>
    mounts.some((mount) => mount.source === source && mount.target === target);
  return command.mounts.every(isThere) ? command : { ...NO_COMMAND, file };
}
